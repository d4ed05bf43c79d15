// Stacks of running threads, taken by a signal's handler: it follows frame pointers through memory that it has the system
// read for it, so that a wrong pointer is an error and no fault, and writes into memory that was there before.
#define _GNU_SOURCE
#include "CProfiler.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

// The largest frame that is believed.
#define FRAME_BYTES_MAX (1 << 20)
// No code is mapped below.
#define LOWEST_ADDRESS 4096

struct buffer {
    _Atomic size_t used;
    uint64_t words[CPROFILER_WORDS];
};

static struct buffer *buffers;
static _Atomic(struct buffer *) current;
// Handlers that are running.
static atomic_int active;
static _Atomic uint64_t dropped;
static pid_t process;
// Where the process' memory is read from if the usual call is forbidden; -1 for none.
static int memory = -1;
static int reads_by_call;

static int read_memory(uintptr_t address, void *target, size_t length) {
    if (reads_by_call) {
        struct iovec to = {target, length}, from = {(void *)address, length};
        return process_vm_readv(process, &to, 1, &from, 1, 0) == (ssize_t)length;
    }
    return memory >= 0 && pread(memory, target, length, (off_t)address) == (ssize_t)length;
}

static size_t walk(const ucontext_t *context, uint64_t *addresses) {
#if defined(__x86_64__)
    uintptr_t counter = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    uintptr_t frame = (uintptr_t)context->uc_mcontext.gregs[REG_RBP];
    uintptr_t lowest = (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    uintptr_t counter = (uintptr_t)context->uc_mcontext.pc;
    uintptr_t frame = (uintptr_t)context->uc_mcontext.regs[29];
    uintptr_t lowest = (uintptr_t)context->uc_mcontext.sp;
#else
    uintptr_t counter = 0, frame = 0, lowest = 0;
#endif
    size_t count = 0;
    addresses[count++] = counter;
    while (count < CPROFILER_DEPTH) {
        // Outwards, aligned, and not far: what a register holds by chance ends the walk.
        if (frame % sizeof(uintptr_t) != 0 || frame < lowest || frame - lowest > FRAME_BYTES_MAX) {
            break;
        }
        uintptr_t saved[2];
        if (!read_memory(frame, saved, sizeof saved) || saved[1] < LOWEST_ADDRESS) {
            break;
        }
        addresses[count++] = saved[1];
        lowest = frame + sizeof saved;
        frame = saved[0];
    }
    return count;
}

static void record(struct buffer *buffer, const ucontext_t *context) {
    uint64_t addresses[CPROFILER_DEPTH];
    size_t count = walk(context, addresses), needed = count + 2;
    size_t at = atomic_load(&buffer->used);
    do {
        if (needed > CPROFILER_WORDS - at) {
            atomic_fetch_add(&dropped, 1);
            return;
        }
    } while (!atomic_compare_exchange_weak(&buffer->used, &at, at + needed));
    buffer->words[at] = count;
    buffer->words[at + 1] = (uint64_t)syscall(SYS_gettid);
    for (size_t index = 0; index < count; index++) {
        buffer->words[at + 2 + index] = addresses[index];
    }
}

static void tick(int number, siginfo_t *information, void *context) {
    (void)number, (void)information;
    int error = errno;
    // Whoever swaps the buffers waits until nobody is in here: in this order a handler is seen, or sees the new one.
    atomic_fetch_add(&active, 1);
    struct buffer *buffer = atomic_load(&current);
    if (buffer != NULL) {
        record(buffer, context);
    }
    atomic_fetch_sub(&active, 1);
    errno = error;
}

static void wait_for_handlers(void) {
    while (atomic_load(&active) != 0) {
        sched_yield();
    }
}

static int set_timer(long microseconds) {
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    return setitimer(ITIMER_PROF, &timer, NULL);
}

static void choose_reader(void) {
    uintptr_t probe = 1, seen = 0;
    process = getpid();
    reads_by_call = 1;
    if (read_memory((uintptr_t)&probe, &seen, sizeof seen)) {
        return;
    }
    reads_by_call = 0;
    memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
}

int cprofiler_begin(int frequency) {
    if (frequency < 1 || frequency > 1000) {
        return EINVAL;
    }
    void *space = mmap(NULL, 2 * sizeof(struct buffer), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (space == MAP_FAILED) {
        return errno;
    }
    buffers = space;
    choose_reader();
    atomic_store(&dropped, 0);
    atomic_store(&current, &buffers[0]);
    struct sigaction action = {0};
    action.sa_sigaction = tick;
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGPROF, &action, NULL) != 0 || set_timer(1000000 / frequency) != 0) {
        int error = errno;
        cprofiler_stop();
        cprofiler_end();
        return error;
    }
    return 0;
}

size_t cprofiler_take(uint64_t *words) {
    struct buffer *full = atomic_load(&current);
    if (full == NULL) {
        return 0;
    }
    struct buffer *empty = full == &buffers[0] ? &buffers[1] : &buffers[0];
    atomic_store(&empty->used, 0);
    atomic_store(&current, empty);
    wait_for_handlers();
    size_t used = atomic_load(&full->used);
    for (size_t index = 0; index < used; index++) {
        words[index] = full->words[index];
    }
    return used;
}

void cprofiler_stop(void) {
    set_timer(0);
    // A signal that comes late would end the process if it were left to the system.
    struct sigaction action = {0};
    action.sa_handler = SIG_IGN;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPROF, &action, NULL);
}

uint64_t cprofiler_dropped(void) {
    return atomic_load(&dropped);
}

void cprofiler_end(void) {
    atomic_store(&current, NULL);
    wait_for_handlers();
    if (buffers != NULL) {
        munmap(buffers, 2 * sizeof(struct buffer));
        buffers = NULL;
    }
    if (memory >= 0) {
        close(memory);
        memory = -1;
    }
}
