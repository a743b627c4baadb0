// Tasks shared out among threads that live for one call only: nothing to shut down, safe to fork.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <system_error>
#include <thread>
#include <vector>

#include "vector.h"

namespace trionet {

// Runs work(next) on `threads` threads, this one among them; next() gives the tasks 0 … tasks − 1, then −1.
// Returns false when one of them ran out of memory.
template <class Work>
bool share_out(int64_t tasks, int64_t threads, Work work) {
    std::atomic<int64_t> done{0};
    std::atomic<bool> failed{false};
    auto next = [&]() -> int64_t {
        const int64_t task = done.fetch_add(1);
        return task < tasks ? task : -1;
    };
    auto run = [&] {
        const FlushDenormals flush;
        try {
            work(next);
        } catch (const std::exception&) {
            failed = true;
        }
    };
    std::vector<std::thread> others;
    try {
        for (int64_t i = 1; i < threads && i < tasks; ++i) others.emplace_back(run);
    } catch (const std::system_error&) {  // no more threads to be had: the ones there are do it
    }
    run();
    for (std::thread& other : others) other.join();
    return !failed;
}

// Sums over tasks are made in at most this many parts, whose number is the same for any number of threads.
constexpr int64_t PARTS = 64;

// Tasks that each add to `entries` sums. make() gives a thread's work(first, end, share), which does the tasks
// first … end − 1 and writes their sums to `share`. Returns false when memory ran out.
template <class Make>
bool share_out_sums(int64_t tasks, int64_t entries, float* sums, int64_t threads, Make make) {
    const int64_t parts = std::min(tasks, PARTS);
    std::vector<float> shares;
    try {
        shares.resize(size_t(parts * entries));
    } catch (const std::exception&) {
        return false;
    }
    const bool done = share_out(parts, threads, [&](auto next) {
        auto work = make();
        for (int64_t part = next(); part >= 0; part = next())
            work(tasks * part / parts, tasks * (part + 1) / parts, shares.data() + part * entries);
    });
    for (int64_t i = 0; i < entries; ++i) {
        double sum = 0;
        for (int64_t part = 0; part < parts; ++part) sum += shares[size_t(part * entries + i)];
        sums[i] = float(sum);
    }
    return done;
}

}  // namespace trionet
