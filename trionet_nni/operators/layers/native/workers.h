// Tasks shared out among threads that live for one call only: nothing to shut down, safe to fork.
#pragma once

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

}  // namespace trionet
