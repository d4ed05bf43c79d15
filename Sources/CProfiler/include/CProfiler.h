// What of a profile of the process needs C: a signal's handler, and what the loader and the allocator know.
#ifndef CPROFILER_H
#define CPROFILER_H

#include <stddef.h>
#include <stdint.h>

/// Begins to record the stack of whichever thread runs, `frequency` times in a second of the process' processor time.
/// Not to be called again before `cprofiler_end`. Returns 0, or the number of the system's error.
int cprofiler_begin(int frequency);

/// Moves what was recorded since the last call into `words`, which has room for `CPROFILER_WORDS`; returns how many
/// words there are. A stack is the number of its addresses, the thread's identifier, and the addresses, the innermost
/// first; all but that one are where a call returns to. One caller at a time.
size_t cprofiler_take(uint64_t *words);

/// Records no more. What is recorded can still be taken.
void cprofiler_stop(void);

/// How many stacks found no room since the beginning.
uint64_t cprofiler_dropped(void);

/// Frees the memory of what was recorded; after `cprofiler_stop`.
void cprofiler_end(void);

#define CPROFILER_WORDS 262144
#define CPROFILER_DEPTH 128
#define CPROFILER_BUILD_ID_BYTES 32

/// The program, or a library that it has loaded.
struct cprofiler_module {
    /// What is added to addresses of the file.
    uint64_t bias;
    size_t build_id_length;
    uint8_t build_id[CPROFILER_BUILD_ID_BYTES];
};

/// Finds the module that `address` belongs to; returns 0 if there is none.
int cprofiler_module_at(uint64_t address, struct cprofiler_module *module);

/// The name of the function at `address` that the loader knows, mangled as it is in the file, or NULL.
const char *cprofiler_symbol(uint64_t address);

/// Makes a name of Swift readable; NULL if it is none. To be freed.
char *cprofiler_demangle(const char *name);

/// What the allocator says, in bytes; `mapped_count` is the number of allocations with memory of their own.
struct cprofiler_heap {
    uint64_t arena_used;
    uint64_t arena_total;
    uint64_t mapped;
    uint64_t mapped_count;
};

/// Returns 0 where the allocator says nothing.
int cprofiler_heap(struct cprofiler_heap *heap);

#endif
