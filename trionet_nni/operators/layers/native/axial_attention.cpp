// Axial attention on a CPU (see line_attention.py for the formula), forward and backward.
//
// Eight lines of one image and head at a time, a line in each lane: they are copied to [position][channel][line],
// then worked through in blocks of queries. Of the logits only those of one block are held, and the backward pass
// computes them again. A task's order never depends on the number of threads, nor do the results.

#include <algorithm>
#include <limits>
#include <memory>

#include "dropout.h"
#include "line_kernels.h"
#include "line_layout.h"
#include "workers.h"

namespace trionet {

// Sizes, and the keys and values of 8 lines.
struct Lines : Problem {
    bool down;  // along the height
    int length, lines, offsets, groups;  // positions of a line, lines of a map, 2 · length − 1, blocks of 8 lines
    int64_t query_step, value_step;      // one position
    int64_t weight_step;                 // a query's weights: QUERIES − 1 zeros, the line, QUERIES − 1 zeros
    const float* table;                  // [d][offsets]
    Drop drop;
    int64_t image = 0, head = 0;
    int first = 0;  // line
    Buffer keys, values;

    Lines(const Problem& p, const float* table)
        : Problem(p),
          down(p.axis == 2),
          length(int(down ? height : width)),
          lines(int(down ? width : height)),
          offsets(2 * length - 1),
          groups((lines + LANES - 1) / LANES),
          query_step(qk * LANES),
          value_step(v * LANES),
          weight_step(int64_t(length + 2 * QUERIES - 2) * LANES),
          table(table),
          drop(p),
          keys(length * query_step),
          values(length * value_step) {}

    // Tasks are numbered by image, head and block of 8 lines.
    void start(int64_t task) {
        image = task / groups / heads;
        head = task / groups % heads;
        first = int(task % groups) * LANES;
        drop.set_group(task / groups);
    }

    LineBlock block(int64_t channels) const { return {std::min(LANES, lines - first), length, int(channels)}; }
    LineSteps steps(const Tensor& t) const {
        return down ? LineSteps{t.column, t.row, t.channel} : LineSteps{t.row, t.column, t.channel};
    }
    int64_t place(const Tensor& t, int64_t channels) const {
        return image * t.image + head * channels * t.channel + first * steps(t).line;
    }
    void pack(const Tensor& t, int64_t channels, const Buffer& to) const {
        with_element(*this, [&](auto* element) {
            pack_lines(static_cast<decltype(element)>(t.data) + place(t, channels), steps(t), block(channels), to.get());
        });
    }
    void unpack(const Buffer& from, int64_t channels, const Tensor& t) const {
        with_element(*this, [&](auto* element) {
            unpack_lines(from.get(), block(channels), steps(t), static_cast<decltype(element)>(t.data) + place(t, channels));
        });
    }

    // Of query o of the 8 lines, for dropout.
    Drop::Query query(int o) const {
        const u8 line = each_lane() + uint32_t(first);
        return drop.query(down ? line + uint32_t(o * width) : line * uint32_t(width) + uint32_t(o));
    }

    // Products of O vectors [channels] with those of the whole line, into [O][weight_step].
    template <int O, bool TABLE>
    void products(const float* from, const Buffer& with, int channels, int o, float* to, v8* largest) const {
        const float* r = table + length - 1 - o;
        for (int p = 0; p < length; p += 4)
            with_constant<4>(length - p, [&](auto count) {
                line_products<O, decltype(count)::value, TABLE>(from, with.get() + int64_t(p) * channels * LANES, channels,
                                                                r + p, offsets, to + p * LANES, weight_step, largest);
            });
    }

    // Logits of O queries from o on, and the largest of each.
    template <int O>
    void logits(const Buffer& queries, int o, float* to, v8 (&largest)[O]) const {
        for (v8& one : largest) one = all(-std::numeric_limits<float>::infinity());
        products<O, true>(queries.get() + o * query_step, keys, int(qk), o, to, largest);
    }

    // Calls body with the first query of every block and the constant number of its queries.
    template <class Body>
    void each_block(Body body) const {
        for (int o = 0; o < length; o += QUERIES)
            with_constant<QUERIES>(length - o, [&](auto count) { body(o, count); });
    }
};

// Calls body with the first channel of every four and the constant number of them.
template <class Body>
static inline void each_channels(int64_t channels, Body body) {
    for (int c = 0; c < channels; c += 4)
        with_constant<4>(int(channels) - c, [&](auto count) { body(c, count); });
}

template <bool DROP>
struct LinesForward : Lines {
    Buffer queries, weights, result;

    LinesForward(const Problem& p, const float* table)
        : Lines(p, table), queries(length * query_step), weights(QUERIES * weight_step), result(length * value_step) {}

    void run(const Tensor& q, const Tensor& k, const Tensor& v_, const Tensor& out) {
        pack(q, qk, queries);
        pack(k, qk, keys);
        pack(v_, v, values);
        each_block([&](int o, auto count) {
            constexpr int O = decltype(count)::value;
            v8 largest[O], scale[O];
            logits<O>(queries, o, weights.get(), largest);
            exponentials<O>(o, largest, scale);
            each_channels(v, [&](int c, auto channels) {
                constexpr int C = decltype(channels)::value;
                v8 sum[O][C] = {};
                line_sums(weights.get(), weight_step, values.get() + c * LANES, value_step, length, sum);
                for (int i = 0; i < O; ++i)
                    for (int j = 0; j < C; ++j)
                        store(result.get() + (o + i) * value_step + (c + j) * LANES, sum[i][j] * scale[i]);
            });
        });
        unpack(result, v, out);
    }

    // Logits → e^(logit − largest), 0 where dropped; `scale` makes them the weights.
    template <int O>
    void exponentials(int o, const v8 (&largest)[O], v8 (&scale)[O]) const {
        Drop::Query query[O];
        v8 sum[O] = {};
        if constexpr (DROP)
            for (int i = 0; i < O; ++i) query[i] = this->query(o + i);
        for (int p = 0; p < length; ++p)
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) {
                float* at = weights.get() + i * weight_step + p * LANES;
                const v8 e = exp_of_negative(load(at) - largest[i]);
                sum[i] += e;
                store(at, DROP ? (drop.dropped(query[i], p) ? all(0.0f) : e) : e);
            }
        for (int i = 0; i < O; ++i) scale[i] = drop.scale / sum[i];
    }
};

template <bool DROP>
struct LinesBackward : Lines {
    Buffer queries, grads, weights, grad_logits, grad_queries, grad_keys, grad_values, grad_table;

    LinesBackward(const Problem& p, const float* table)
        : Lines(p, table),
          queries(length * query_step),
          grads(length * value_step),
          weights(QUERIES * weight_step),
          grad_logits(QUERIES * weight_step),
          grad_queries(length * query_step),
          grad_keys(length * query_step),
          grad_values(length * value_step),
          grad_table(offsets * query_step) {}

    void run(const Tensor& q, const Tensor& k, const Tensor& v_, const Tensor& grad, const Tensor& grad_q,
             const Tensor& grad_k, const Tensor& grad_v) {
        pack(q, qk, queries);
        pack(k, qk, keys);
        pack(v_, v, values);
        pack(grad, v, grads);
        grad_keys.clear();
        grad_values.clear();
        each_block([&](int o, auto count) {
            weigh<decltype(count)::value>(o);
            to_queries<decltype(count)::value>(o);
            spread<decltype(count)::value>(o);
        });
        unpack(grad_queries, qk, grad_q);
        unpack(grad_keys, qk, grad_k);
        unpack(grad_values, v, grad_v);
    }

    float* inside(const Buffer& of) const { return of.get() + (QUERIES - 1) * LANES; }

    // Weights p (0 where dropped) and gradients of the logits p (g·v − Σ p g·v) of O queries.
    template <int O>
    void weigh(int o) const {
        v8 largest[O], sum[O] = {}, mean[O] = {};
        logits<O>(queries, o, inside(weights), largest);
        products<O, false>(grads.get() + o * value_step, values, int(v), o, inside(grad_logits), nullptr);
        Drop::Query query[O];
        if constexpr (DROP)
            for (int i = 0; i < O; ++i) query[i] = this->query(o + i);
        for (int p = 0; p < length; ++p)
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) {
                float* at = inside(weights) + i * weight_step + p * LANES;
                float* grad_at = inside(grad_logits) + i * weight_step + p * LANES;
                v8 e = exp_of_negative(load(at) - largest[i]), grad = load(grad_at);
                sum[i] += e;
                if constexpr (DROP) {
                    const i8 dropped = drop.dropped(query[i], p);
                    grad = dropped ? all(0.0f) : grad * drop.scale;
                    e = dropped ? -e : e;  // negative: that it was dropped, for the next loop
                    store(grad_at, grad);
                }
                mean[i] += (DROP ? magnitude(e) : e) * grad;
                store(at, e);
            }
        for (int i = 0; i < O; ++i) {
            sum[i] = 1.0f / sum[i];
            mean[i] *= sum[i];
        }
        for (int p = 0; p < length; ++p)
#pragma GCC unroll 4
            for (int i = 0; i < O; ++i) {
                float* at = inside(weights) + i * weight_step + p * LANES;
                float* grad_at = inside(grad_logits) + i * weight_step + p * LANES;
                const v8 marked = load(at) * sum[i], weight = DROP ? magnitude(marked) : marked;
                store(at, DROP ? (marked < 0.0f ? all(0.0f) : marked * drop.scale) : marked);
                store(grad_at, weight * (load(grad_at) - mean[i]));
            }
    }

    // grad_q[o] = Σ_p g[o][p] · (k[p] + r[p − o]). Offsets are walked with each query's weights one further, so that
    // all queries meet the same one; beyond the line their weights are zeros.
    template <int O>
    void to_queries(int o) const {
        each_channels(qk, [&](int c, auto channels) {
            constexpr int C = decltype(channels)::value;
            v8 sum[O][C] = {};
            line_sums(inside(grad_logits), weight_step, keys.get() + c * LANES, query_step, length, sum);
            line_table_sums(skewed<O>(), weight_step + LANES, table + int64_t(c) * offsets + first_offset<O>(o), offsets,
                            length + O - 1, sum);
            for (int i = 0; i < O; ++i)
                for (int j = 0; j < C; ++j)
                    store(grad_queries.get() + (o + i) * query_step + (c + j) * LANES, sum[i][j]);
        });
    }

    template <int O>
    const float* skewed() const {
        return inside(grad_logits) - (O - 1) * LANES;
    }
    template <int O>
    int first_offset(int o) const {
        return length - O - o;
    }

    // What O queries give to the keys', the values' and the table's gradients.
    template <int O>
    void spread(int o) const {
        const float* query = queries.get() + o * query_step;
        const float* grad = grads.get() + o * value_step;
        each_channels(qk, [&](int c, auto channels) {
            constexpr int C = decltype(channels)::value;
            line_spread<O, C>(inside(grad_logits), weight_step, query + c * LANES, query_step,
                              grad_keys.get() + c * LANES, query_step, length);
            line_spread<O, C>(skewed<O>(), weight_step + LANES, query + c * LANES, query_step,
                              grad_table.get() + first_offset<O>(o) * query_step + c * LANES, query_step, length + O - 1);
        });
        each_channels(v, [&](int c, auto channels) {
            line_spread<O, decltype(channels)::value>(inside(weights), weight_step, grad + c * LANES, value_step,
                                                      grad_values.get() + c * LANES, value_step, length);
        });
    }

    // [d][offsets], summed over lines.
    void table_share(float* to) const {
        for (int c = 0; c < qk; ++c)
            for (int t = 0; t < offsets; ++t)
                to[int64_t(c) * offsets + t] = sum_of_lanes(load(grad_table.get() + t * query_step + c * LANES));
    }
};

// Blocks of 8 lines of all images and heads.
static inline int64_t line_tasks(const Problem& p) {
    const int64_t lines = p.axis == 2 ? p.width : p.height;
    return p.images * p.heads * ((lines + LANES - 1) / LANES);
}

template <bool DROP>
static bool lines_forward(const Problem& problem, const Tensor& q, const Tensor& k, const Tensor& v, const float* table,
                          const Tensor& out, int64_t threads) {
    return share_out(line_tasks(problem), threads, [&](auto next) {
        LinesForward<DROP> forward(problem, table);
        for (int64_t task = next(); task >= 0; task = next()) {
            forward.start(task);
            forward.run(q, k, v, out);
        }
    });
}

template <bool DROP>
static bool lines_backward(const Problem& problem, const Tensor& q, const Tensor& k, const Tensor& v, const float* table,
                           const Tensor& grad, const Tensor& grad_q, const Tensor& grad_k, const Tensor& grad_v,
                           float* grad_table, int64_t threads) {
    const int64_t length = problem.axis == 2 ? problem.height : problem.width;
    return share_out_sums(line_tasks(problem), problem.qk * (2 * length - 1), grad_table, threads, [&] {
        auto backward = std::make_unique<LinesBackward<DROP>>(problem, table);
        return [&, backward = std::move(backward)](int64_t first, int64_t end, float* share) {
            backward->grad_table.clear();
            for (int64_t task = first; task < end; ++task) {
                backward->start(task);
                backward->run(q, k, v, grad, grad_q, grad_k, grad_v);
            }
            backward->table_share(share);
        };
    });
}

}  // namespace trionet

// Both return 0, or 1 when memory ran out.
extern "C" __attribute__((visibility("default"))) int trionet_axial_forward(
    const trionet::Problem* problem, const trionet::Tensor* q, const trionet::Tensor* k, const trionet::Tensor* v,
    const float* table, const trionet::Tensor* out, int64_t threads) {
    using namespace trionet;
    return !(problem->drop ? lines_forward<true> : lines_forward<false>)(*problem, *q, *k, *v, table, *out, threads);
}

extern "C" __attribute__((visibility("default"))) int trionet_axial_backward(
    const trionet::Problem* problem, const trionet::Tensor* q, const trionet::Tensor* k, const trionet::Tensor* v,
    const float* table, const trionet::Tensor* grad, const trionet::Tensor* grad_q, const trionet::Tensor* grad_k,
    const trionet::Tensor* grad_v, float* grad_table, int64_t threads) {
    using namespace trionet;
    return !(problem->drop ? lines_backward<true> : lines_backward<false>)(
        *problem, *q, *k, *v, table, *grad, *grad_q, *grad_k, *grad_v, grad_table, threads);
}
