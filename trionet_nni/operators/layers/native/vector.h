// Eight floats at a time, in the compiler's own vector types: AVX2 or any other unit, no intrinsics.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace trionet {

constexpr int LANES = 8;

typedef float v8 __attribute__((vector_size(32)));
typedef int32_t i8 __attribute__((vector_size(32)));
typedef uint32_t u8 __attribute__((vector_size(32)));
typedef float v8_anywhere __attribute__((vector_size(32), aligned(4), may_alias));

static inline v8 load(const float* from) { return *reinterpret_cast<const v8_anywhere*>(from); }
static inline void store(float* to, v8 x) { *reinterpret_cast<v8_anywhere*>(to) = x; }
static inline v8 all(float x) { return v8{x, x, x, x, x, x, x, x}; }

// Calls body with the constants 1 … MOST, so that each size is compiled once with its loops unrolled.
template <int MOST, class Body>
static inline void with_constant(int n, Body body) {
    if constexpr (MOST > 1) {
        if (n < MOST) return with_constant<MOST - 1>(n, body);
    }
    body(std::integral_constant<int, MOST>{});
}

#if defined(__clang__) || __GNUC__ >= 12
#define TRIONET_PAIRED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define TRIONET_PAIRED(a, b, ...) __builtin_shuffle(a, b, i8{__VA_ARGS__})
#endif

// Rows become columns.
static inline void transpose(v8 (&rows)[LANES]) {
    v8 twos[LANES], fours[LANES];
    for (int i = 0; i < LANES; i += 2) {
        twos[i] = TRIONET_PAIRED(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        twos[i + 1] = TRIONET_PAIRED(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; ++j) {
            fours[i + 2 * j] = TRIONET_PAIRED(twos[i + j], twos[i + 2 + j], 0, 1, 8, 9, 4, 5, 12, 13);
            fours[i + 2 * j + 1] = TRIONET_PAIRED(twos[i + j], twos[i + 2 + j], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < 4; ++i) {
        rows[i] = TRIONET_PAIRED(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        rows[i + 4] = TRIONET_PAIRED(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

static inline u8 each_lane() { return u8{0, 1, 2, 3, 4, 5, 6, 7}; }

static inline v8 magnitude(v8 x) { return x < 0.0f ? -x : x; }

static inline float sum_of_lanes(v8 x) {
    return ((x[0] + x[4]) + (x[1] + x[5])) + ((x[2] + x[6]) + (x[3] + x[7]));
}

// e^x for x ≤ 0, within 2 units in the last place; exactly 0 where the result would be denormal.
// x = n ln 2 + f with |f| ≤ ½ ln 2; e^f by its Taylor series, whose rest is under 6e-9.
__attribute__((always_inline)) static inline v8 exp_of_negative(v8 x) {
    const v8 shift = all(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer, kept in the low bits
    const v8 shifted = x * 1.44269504088896341f + shift;
    const v8 n = shifted - shift;
    v8 f = x - n * 0.693359375f;
    f = f + n * 2.12194440054690583e-4f;
    v8 series = all(1.0f / 5040);
    series = series * f + 1.0f / 720;
    series = series * f + 1.0f / 120;
    series = series * f + 1.0f / 24;
    series = series * f + 1.0f / 6;
    series = series * f + 0.5f;
    series = series * f + 1.0f;
    series = series * f + 1.0f;
    i8 exponent, start;
    std::memcpy(&exponent, &shifted, sizeof exponent);
    std::memcpy(&start, &shift, sizeof start);
    exponent = (exponent - start + 127) << 23;
    v8 power;
    std::memcpy(&power, &exponent, sizeof power);
    return x < all(-87.0f) ? all(0.0f) : series * power;
}

// Denormal numbers count as zero while it lives: they are a hundred times slower and change nothing here.
class FlushDenormals {
#if defined(__SSE__)
    unsigned before = _mm_getcsr();

   public:
    FlushDenormals() { _mm_setcsr(before | 0x8040); }
    ~FlushDenormals() { _mm_setcsr(before); }
#elif defined(__aarch64__)
    uint64_t before;

   public:
    FlushDenormals() {
        asm volatile("mrs %0, fpcr" : "=r"(before));
        asm volatile("msr fpcr, %0" ::"r"(before | (uint64_t(1) << 24)));
    }
    ~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(before)); }
#else
   public:
    FlushDenormals() {}
#endif
    FlushDenormals(const FlushDenormals&) = delete;
    FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace trionet
