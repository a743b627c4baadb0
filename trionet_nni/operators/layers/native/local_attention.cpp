// Local attention on a CPU (Eq. 1 of the paper; see local_attention.py for the formula), forward and backward.
//
// One image and head at a time: keys and values are copied into rows with zeros at both ends, then every
// row of queries is worked through in vectors of 8 positions. Nothing of the size of the logits is kept: the
// backward pass computes them again. A task's order never depends on the number of threads, nor do the results.

#include <algorithm>
#include <limits>
#include <memory>

#include "dropout.h"
#include "kernels.h"
#include "workers.h"

namespace trionet {

// What a thread needs for the logits and weights of one image and head.
struct Head : Geometry {
    const float* table;  // [d][window²]
    Drop drop;
    Buffer keys, values, outside;

    Head(const Problem& p, const float* table)
        : Geometry(p),
          table(table),
          drop(p),
          keys(height * qk * key_step),
          values(height * v * key_step),
          outside(window * lanes) {
        // Added to the logits of an offset b where x + b is no column of the map. Lanes beyond the map stay 0.
        if (mask)
            for (int b = 0; b < window; ++b)
                for (int x = 0; x < width; ++x)
                    if (x + b < half || x + b >= width + half)
                        outside.get()[b * lanes + x] = -std::numeric_limits<float>::infinity();
    }

    void fill(const Tensor& k, const Tensor& v_, int64_t image, int64_t head) {
        drop.set_group(image * heads + head);
        for (int64_t y = 0; y < height; ++y) {
            pack(*this, k, image, head * qk, y, qk, keys.get() + y * qk * key_step + half, key_step);
            pack(*this, v_, image, head * v, y, v, values.get() + y * v * key_step + half, key_step);
        }
    }

    // Products of X vectors of queries with the window of keys around them, into [window²][to_step].
    template <int X, bool TABLE>
    void window_products(const float* query, int64_t query_step, const Buffer& from, int channels, int64_t y, int x,
                         float* to, int64_t to_step) const {
        const int blocks = int(window + 3) / 4;
        for (int a = 0; a < window; ++a) {
            const bool inside = a >= first_row(y) && a < last_row(y);
            const float* row = from.get() + (y + a - half) * channels * key_step + x;
            for (int block = 0; block < blocks; ++block) {
                const int b = int(window * block / blocks), end = int(window * (block + 1) / blocks);
                const float* r = TABLE ? table + a * window + b : nullptr;
                float* out = to + (a * window + b) * to_step;
                with_constant<4>(end - b, [&](auto size) {
                    constexpr int B = decltype(size)::value;
                    if (inside)
                        products<B, X, true, TABLE>(query, query_step, row + b, key_step, r, taps, channels, out, to_step);
                    else
                        products<B, X, false, TABLE>(query, query_step, nullptr, 0, r, taps, channels, out, to_step);
                });
            }
        }
        if (TABLE && mask) add_mask<X>(y, x, to, to_step);
    }

    template <int X>
    void add_mask(int64_t y, int x, float* to, int64_t to_step) const {
        const v8 never = all(-std::numeric_limits<float>::infinity());
        for (int a = 0; a < window; ++a) {
            const bool inside = a >= first_row(y) && a < last_row(y);
            for (int b = 0; b < window; ++b)
                for (int i = 0; i < X; ++i) {
                    float* at = to + (a * window + b) * to_step + LANES * i;
                    store(at, inside ? load(at) + load(outside.get() + b * lanes + x + LANES * i) : never);
                }
        }
    }

    // Logits → e^(logit − largest), in place. Returns 1 ÷ their sum.
    v8 exponentials(float* logits, int64_t to_step) const {
        v8 largest = load(logits);
        for (int t = 1; t < taps; ++t) {
            const v8 logit = load(logits + t * to_step);
            largest = logit > largest ? logit : largest;
        }
        v8 sum = {};
        for (int t = 0; t < taps; ++t) {
            const v8 e = exp_of_negative(load(logits + t * to_step) - largest);
            store(logits + t * to_step, e);
            sum += e;
        }
        return 1.0f / sum;
    }

    // Of the 8 queries from column x of row y on, for dropout.
    Drop::Query dropping(int64_t y, int x) const { return drop.query(each_lane() + uint32_t(y * width + x)); }

    // What is left of each of the window's numbers of 8 queries: 0 where dropped, more elsewhere.
    void thin(float* numbers, int64_t to_step, const Drop::Query& query) const {
        for (int t = 0; t < taps; ++t) {
            const v8 number = load(numbers + t * to_step);
            store(numbers + t * to_step, drop.dropped(query, t) ? all(0.0f) : number * drop.scale);
        }
    }

    // Sums over the window of X vectors of positions, into [channels][to_step].
    template <int X, bool TABLE>
    void window_sums(const float* weights, int64_t weight_step, const Buffer& from, int channels, int64_t y, int x,
                     float* to, int64_t to_step) const {
        const Weighted sums{weights,  weight_step, from.get() + (y - half) * channels * key_step + x,
                            channels * key_step, key_step, table, int(window), first_row(y), last_row(y)};
        for (int c = 0; c < channels; c += 4)
            with_constant<4>(channels - c, [&](auto size) {
                weighted<decltype(size)::value, X, TABLE>(sums, c, to + c * to_step, to_step);
            });
    }
};

// Calls body with x and the constant number of vectors at it: pairs, and a last single one.
template <class Body>
static inline void along_row(int vectors, Body body) {
    int i = 0;
    for (; i + 2 <= vectors; i += 2) body(i * LANES, std::integral_constant<int, 2>{});
    if (i < vectors) body(i * LANES, std::integral_constant<int, 1>{});
}

struct Forward : Head {
    Buffer query, weights, result;

    Forward(const Problem& p, const float* table)
        : Head(p, table), query(qk * lanes), weights(taps * 2 * LANES), result(v * lanes) {}

    void row(const Tensor& q, const Tensor& out, int64_t image, int64_t head, int64_t y) {
        pack(*this, q, image, head * qk, y, qk, query.get(), lanes);
        along_row(vectors, [&](int x, auto size) {
            constexpr int X = decltype(size)::value;
            const int64_t step = X * LANES;
            window_products<X, true>(query.get() + x, lanes, keys, int(qk), y, x, weights.get(), step);
            v8 scale[X];
            for (int i = 0; i < X; ++i) {
                scale[i] = exponentials(weights.get() + LANES * i, step);
                if (drop.on) thin(weights.get() + LANES * i, step, dropping(y, x + LANES * i));
            }
            window_sums<X, false>(weights.get(), step, values, int(v), y, x, result.get() + x, lanes);
            for (int64_t c = 0; c < v; ++c)
                for (int i = 0; i < X; ++i) {
                    float* at = result.get() + c * lanes + x + LANES * i;
                    store(at, load(at) * scale[i]);
                }
        });
        unpack(*this, result.get(), lanes, v, out, image, head * v, y);
    }
};

struct Backward : Head {
    int rows;  // worked on together, so that even a narrow map fills the sums over positions
    int64_t query_row, grad_row, weight_row;
    Buffer queries, grads, weights, grad_logits, grad_query, grad_keys, grad_values, grad_table;

    Backward(const Problem& p, const float* table)
        : Head(p, table),
          rows(int(std::min<int64_t>(height, std::max(1, LANES / vectors)))),
          query_row(qk * step),
          grad_row(v * step),
          weight_row(taps * step),
          queries(rows * query_row),
          grads(rows * grad_row),
          weights(rows * weight_row),
          grad_logits(rows * weight_row),
          grad_query(qk * lanes),
          grad_keys(height * qk * lanes),
          grad_values(height * v * lanes),
          grad_table(qk * taps * LANES) {}

    // Weights p and the logits' gradients p (g·v − Σ p g·v) of one row, kept in slot `slot`; gradient of q.
    void weigh(const Tensor& q, const Tensor& grad, const Tensor& grad_q, int64_t image, int64_t head, int64_t y,
               int slot) {
        float* query = queries.get() + slot * query_row + margin;
        float* given = grads.get() + slot * grad_row + margin;
        pack(*this, q, image, head * qk, y, qk, query, step);
        pack(*this, grad, image, head * v, y, v, given, step);
        along_row(vectors, [&](int x, auto size) {
            constexpr int X = decltype(size)::value;
            float* p = weights.get() + slot * weight_row + margin + x;
            float* g = grad_logits.get() + slot * weight_row + margin + x;
            window_products<X, true>(query + x, step, keys, int(qk), y, x, p, step);
            window_products<X, false>(given + x, step, values, int(v), y, x, g, step);
            for (int i = 0; i < X; ++i) through_softmax(p + LANES * i, g + LANES * i, y, x + LANES * i);
            window_sums<X, true>(g, step, keys, int(qk), y, x, grad_query.get() + x, lanes);
        });
        unpack(*this, grad_query.get(), lanes, qk, grad_q, image, head * qk, y);
    }

    void through_softmax(float* p, float* g, int64_t y, int x) const {
        const v8 scale = exponentials(p, step);
        if (drop.on) thin(g, step, dropping(y, x));
        v8 mean = {};
        for (int t = 0; t < taps; ++t) {
            const v8 weight = load(p + t * step) * scale;
            store(p + t * step, weight);
            mean += weight * load(g + t * step);
        }
        for (int t = 0; t < taps; ++t) {
            float* at = g + t * step;
            store(at, load(p + t * step) * (load(at) - mean));
        }
        if (drop.on) thin(p, step, dropping(y, x));
    }

    // One row of queries gives its share to the keys' or values' gradients of the rows around it.
    void give(const Buffer& from_weights, const Buffer& from, int64_t from_row, int channels, int64_t y, int slot,
              const Buffer& to) const {
        for (int a = first_row(y); a < last_row(y); ++a) {
            const float* w = from_weights.get() + slot * weight_row + a * window * step + margin + half;
            const float* f = from.get() + slot * from_row + margin + half;
            float* target = to.get() + (y + a - half) * channels * lanes;
            for (int c = 0; c < channels; c += 4)
                with_constant<4>(channels - c, [&](auto count) {
                    along_row(vectors, [&](int x, auto size) {
                        gather<decltype(count)::value, decltype(size)::value>(
                            w + x, step, f + c * step + x, step, int(window), target + c * lanes + x, lanes);
                    });
                });
        }
    }

    void add_to_table(int filled) const {
        for (int c = 0; c < qk; c += 4)
            with_constant<4>(int(qk) - c, [&](auto channels) {
                for (int t = 0; t < taps; t += 3)
                    with_constant<3>(taps - t, [&](auto count) {
                        outer<decltype(channels)::value, decltype(count)::value>(
                            queries.get() + c * step + margin, query_row, grad_logits.get() + t * step + margin,
                            weight_row, step, filled, vectors, grad_table.get() + (int64_t(c) * taps + t) * LANES, taps);
                    });
            });
    }

    void image_and_head(const Tensor& q, const Tensor& k, const Tensor& v_, const Tensor& grad, const Tensor& grad_q,
                        const Tensor& grad_k, const Tensor& grad_v, int64_t image, int64_t head) {
        fill(k, v_, image, head);
        grad_keys.clear();
        grad_values.clear();
        for (int64_t top = 0; top < height; top += rows) {
            const int filled = int(std::min<int64_t>(rows, height - top));
            for (int slot = 0; slot < filled; ++slot) {
                weigh(q, grad, grad_q, image, head, top + slot, slot);
                give(grad_logits, queries, query_row, int(qk), top + slot, slot, grad_keys);
                give(weights, grads, grad_row, int(v), top + slot, slot, grad_values);
            }
            add_to_table(filled);
        }
        for (int64_t y = 0; y < height; ++y) {
            unpack(*this, grad_keys.get() + y * qk * lanes, lanes, qk, grad_k, image, head * qk, y);
            unpack(*this, grad_values.get() + y * v * lanes, lanes, v, grad_v, image, head * v, y);
        }
    }
};

}  // namespace trionet

// Both return 0, or 1 when memory ran out.
extern "C" __attribute__((visibility("default"))) int trionet_local_forward(
    const trionet::Problem* problem, const trionet::Tensor* q, const trionet::Tensor* k, const trionet::Tensor* v,
    const float* table, const trionet::Tensor* out, int64_t threads) {
    using namespace trionet;
    const int64_t groups = problem->images * problem->heads;
    return !share_out(groups, threads, [&](auto next) {
        Forward forward(*problem, table);
        for (int64_t group = next(); group >= 0; group = next()) {
            const int64_t image = group / problem->heads, head = group % problem->heads;
            forward.fill(*k, *v, image, head);
            for (int64_t y = 0; y < problem->height; ++y) forward.row(*q, *out, image, head, y);
        }
    });
}

extern "C" __attribute__((visibility("default"))) int trionet_local_backward(
    const trionet::Problem* problem, const trionet::Tensor* q, const trionet::Tensor* k, const trionet::Tensor* v,
    const float* table, const trionet::Tensor* grad, const trionet::Tensor* grad_q, const trionet::Tensor* grad_k,
    const trionet::Tensor* grad_v, float* grad_table, int64_t threads) {
    using namespace trionet;
    const int64_t entries = problem->qk * problem->window * problem->window;
    return !share_out_sums(problem->images * problem->heads, entries, grad_table, threads, [&] {
        auto backward = std::make_unique<Backward>(*problem, table);
        return [&, backward = std::move(backward)](int64_t first, int64_t end, float* share) {
            backward->grad_table.clear();
            for (int64_t group = first; group < end; ++group)
                backward->image_and_head(*q, *k, *v, *grad, *grad_q, *grad_k, *grad_v, group / problem->heads,
                                         group % problem->heads);
            for (int64_t i = 0; i < entries; ++i) share[i] = sum_of_lanes(load(backward->grad_table.get() + i * LANES));
        };
    });
}
