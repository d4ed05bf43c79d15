// What the loader knows of addresses, and the allocator of memory.
#define _GNU_SOURCE
#include "CProfiler.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <string.h>

struct search {
    uint64_t address;
    struct cprofiler_module *module;
};

// A note: its three lengths, its owner's name, what it says; each part padded to four bytes.
static void take_build_id(const uint8_t *notes, size_t length, struct cprofiler_module *module) {
    while (length >= sizeof(ElfW(Nhdr))) {
        ElfW(Nhdr) head;
        memcpy(&head, notes, sizeof head);
        size_t name = ((size_t)head.n_namesz + 3) & ~(size_t)3, text = ((size_t)head.n_descsz + 3) & ~(size_t)3;
        size_t whole = sizeof head + name + text;
        if (whole > length) {
            return;
        }
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && memcmp(notes + sizeof head, "GNU", 4) == 0
            && head.n_descsz <= CPROFILER_BUILD_ID_BYTES) {
            memcpy(module->build_id, notes + sizeof head + name, head.n_descsz);
            module->build_id_length = head.n_descsz;
            return;
        }
        notes += whole;
        length -= whole;
    }
}

static int visit(struct dl_phdr_info *information, size_t size, void *context) {
    (void)size;
    struct search *search = context;
    int is_inside = 0;
    for (int index = 0; index < information->dlpi_phnum; index++) {
        const ElfW(Phdr) *part = &information->dlpi_phdr[index];
        uint64_t start = information->dlpi_addr + part->p_vaddr;
        if (part->p_type == PT_LOAD && search->address >= start && search->address - start < part->p_memsz) {
            is_inside = 1;
        }
    }
    if (!is_inside) {
        return 0;
    }
    memset(search->module, 0, sizeof *search->module);
    search->module->bias = information->dlpi_addr;
    for (int index = 0; index < information->dlpi_phnum && search->module->build_id_length == 0; index++) {
        const ElfW(Phdr) *part = &information->dlpi_phdr[index];
        if (part->p_type == PT_NOTE && part->p_align <= 4) {
            take_build_id((const uint8_t *)(information->dlpi_addr + part->p_vaddr), part->p_memsz, search->module);
        }
    }
    return 1;
}

int cprofiler_module_at(uint64_t address, struct cprofiler_module *module) {
    struct search search = {address, module};
    return dl_iterate_phdr(visit, &search);
}

const char *cprofiler_symbol(uint64_t address) {
    Dl_info information;
    return dladdr((void *)(uintptr_t)address, &information) != 0 ? information.dli_sname : NULL;
}

// Of Swift's runtime.
extern char *swift_demangle(const char *name, size_t length, char *output, size_t *output_length, uint32_t flags);

char *cprofiler_demangle(const char *name) {
    return swift_demangle(name, strlen(name), NULL, NULL, 0);
}

int cprofiler_heap(struct cprofiler_heap *heap) {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 found = mallinfo2();
    *heap = (struct cprofiler_heap){found.uordblks, found.arena, found.hblkhd, found.hblks};
    return 1;
#else
    (void)heap;
    return 0;
#endif
}
