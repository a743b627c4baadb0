// Which attention weights are dropped: a hash of the call's seed, image, head, query and key.
//
// Nothing is kept: the backward pass asks again, in any order, and threads change nothing.
#pragma once

#include "layout.h"

namespace trionet {

// Every bit of x moves every bit of the result (the finalizer of MurmurHash3, Appleby).
template <class Word>
static inline Word mixed(Word x) {
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ (x >> 16);
}

class Drop {
    uint64_t seed;
    int32_t threshold;
    uint32_t first = 0, second = 0;  // of the image and head

   public:
    const bool on;
    const float scale;  // of the weights that are left

    explicit Drop(const Problem& p)
        : seed(uint64_t(p.seed)),
          threshold(int32_t(p.drop)),
          on(p.drop > 0),
          scale(float(2147483648.0 / (2147483648.0 - double(p.drop)))) {}

    // Image and head of what comes next, numbered together (SplitMix64, Steele et al. 2014).
    void set_group(int64_t group) {
        uint64_t z = seed + uint64_t(group + 1) * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        first = uint32_t(z);
        second = uint32_t(z >> 32);
    }

    struct Query {
        u8 first, second;
    };
    // Queries at these places of the map.
    Query query(u8 place) const {
        const u8 hashed = mixed(place * 0x9e3779b1u + first);
        return {hashed, mixed((hashed ^ second) + place)};
    }

    // −1 where the weight of these queries and of a key is dropped, else 0.
    i8 dropped(const Query& query, int key) const {
        u8 x = query.first + uint32_t(key) * 0x9e3779b1u;
        x ^= x >> 16;
        x *= 0x7feb352du;
        x ^= query.second ^ (x >> 15);
        x *= 0x846ca68bu;
        x ^= x >> 16;
        i8 bits;
        x >>= 1;
        std::memcpy(&bits, &x, sizeof bits);
        return bits < threshold;
    }
};

}  // namespace trionet
