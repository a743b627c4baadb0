// The four sums over a window, each a small block of accumulators held in registers.
//
// The last axis of every array runs along a row of the map, so that a window's neighbour is an unaligned load
// b floats further. Steps are in floats. X vectors of 8 positions are worked on together.
#pragma once

#include "vector.h"

namespace trionet {

// out[b][x] = Σ_c q[c][x] · (k[c][x + b] + r[c][b]) for B offsets of one row of the window.
// KEYS false: the row lies outside the map (k = 0); TABLE false: there is no r.
template <int B, int X, bool KEYS, bool TABLE>
static inline void products(const float* q, int64_t q_step, const float* k, int64_t k_step, const float* r,
                            int64_t r_step, int channels, float* out, int64_t out_step) {
    v8 sum[B][X] = {};
    for (int c = 0; c < channels; ++c) {
        v8 query[X];
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) query[i] = load(q + LANES * i);
#pragma GCC unroll 8
        for (int b = 0; b < B; ++b) {
#pragma GCC unroll 4
            for (int i = 0; i < X; ++i) {
                if constexpr (KEYS) sum[b][i] += query[i] * load(k + b + LANES * i);
                if constexpr (TABLE) sum[b][i] += query[i] * r[b];
            }
        }
        q += q_step;
        if constexpr (KEYS) k += k_step;
        if constexpr (TABLE) r += r_step;
    }
#pragma GCC unroll 8
    for (int b = 0; b < B; ++b)
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) store(out + b * out_step + LANES * i, sum[b][i]);
}

// What one call of weighted() needs besides its block size.
struct Weighted {
    const float* weights;  // [window²][x]
    int64_t weight_step;
    const float* rows;  // [window rows][channel][x], the first row of the window (may lie outside the map)
    int64_t row_step, channel_step;
    const float* table;  // [channel][window²]
    int window, first, last;  // rows first ≤ a < last lie in the map
};

// out[c][x] = Σ_{a,b} w[a, b][x] · (rows[a][c][x + b] + table[c][a, b]) for C channels from channel c on.
template <int C, int X, bool TABLE>
static inline void weighted(const Weighted& from, int c, float* out, int64_t out_step) {
    v8 sum[C][X] = {};
    const int taps = from.window * from.window;
    const float* w = from.weights;
    const float* table = from.table + int64_t(c) * taps;
    for (int a = 0; a < from.window; ++a) {
        const bool inside = a >= from.first && a < from.last;
        if (!inside && !TABLE) {
            w += from.window * from.weight_step;
            continue;
        }
        const float* row = from.rows + a * from.row_step + c * from.channel_step;
        for (int b = 0; b < from.window; ++b, w += from.weight_step) {
            v8 weight[X];
#pragma GCC unroll 4
            for (int i = 0; i < X; ++i) weight[i] = load(w + LANES * i);
            if (inside)
#pragma GCC unroll 8
                for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
                    for (int i = 0; i < X; ++i)
                        sum[j][i] += weight[i] * load(row + j * from.channel_step + b + LANES * i);
            if constexpr (TABLE)
#pragma GCC unroll 8
                for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
                    for (int i = 0; i < X; ++i) sum[j][i] += weight[i] * table[int64_t(j) * taps + a * from.window + b];
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) store(out + j * out_step + LANES * i, sum[j][i]);
}

// to[c][x] += Σ_b w[b][x − b] · from[c][x − b] for C channels: what one row of queries gives to one row of keys.
// Gathered at the key, so that nothing is written twice; both inputs have zeros beyond their ends.
template <int C, int X>
static inline void gather(const float* w, int64_t w_step, const float* from, int64_t from_step, int window, float* to,
                          int64_t to_step) {
    v8 sum[C][X];
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) sum[j][i] = load(to + j * to_step + LANES * i);
    for (int b = 0; b < window; ++b) {
        v8 weight[X];
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) weight[i] = load(w + b * w_step - b + LANES * i);
#pragma GCC unroll 8
        for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
            for (int i = 0; i < X; ++i) sum[j][i] += weight[i] * load(from + j * from_step - b + LANES * i);
    }
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
#pragma GCC unroll 4
        for (int i = 0; i < X; ++i) store(to + j * to_step + LANES * i, sum[j][i]);
}

// sum[c][t][lane] += Σ_{rows, x} q[row][c][x] · g[row][t][x] for C channels and T taps: the table's gradient.
template <int C, int T>
static inline void outer(const float* q, int64_t q_row, const float* g, int64_t g_row, int64_t step, int rows,
                         int vectors, float* to, int taps) {
    v8 sum[C][T];
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) sum[j][t] = load(to + (int64_t(j) * taps + t) * LANES);
    for (int row = 0; row < rows; ++row, q += q_row, g += g_row) {
        for (int i = 0; i < vectors; ++i) {
            v8 grad[T];
#pragma GCC unroll 8
            for (int t = 0; t < T; ++t) grad[t] = load(g + t * step + LANES * i);
#pragma GCC unroll 8
            for (int j = 0; j < C; ++j) {
                const v8 query = load(q + j * step + LANES * i);
#pragma GCC unroll 8
                for (int t = 0; t < T; ++t) sum[j][t] += query * grad[t];
            }
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < C; ++j)
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) store(to + (int64_t(j) * taps + t) * LANES, sum[j][t]);
}

}  // namespace trionet
