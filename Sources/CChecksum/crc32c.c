// CRC-32C, polynomial 0x1EDC6F41 reflected (0x82F63B78). The instruction set decides at run time which loop runs.
#include "CChecksum.h"

#include <stdatomic.h>
#include <string.h>

static uint32_t table[8][256];
static atomic_int table_ready;

static void build_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ ((value & 1) ? 0x82F63B78u : 0);
        }
        table[0][byte] = value;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
        for (int slice = 1; slice < 8; slice++) {
            table[slice][byte] = (table[slice - 1][byte] >> 8) ^ table[0][table[slice - 1][byte] & 0xFF];
        }
    }
    atomic_store_explicit(&table_ready, 1, memory_order_release);
}

uint32_t cchecksum_crc32c_portable(uint32_t crc, const void *data, size_t length) {
    // Two threads may both build the table: they write the same values, then publish.
    if (!atomic_load_explicit(&table_ready, memory_order_acquire)) {
        build_table();
    }
    const uint8_t *bytes = data;
    uint32_t state = ~crc;
    while (length >= 8) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        low = __builtin_bswap32(low);
        high = __builtin_bswap32(high);
#endif
        low ^= state;
        state = table[7][low & 0xFF] ^ table[6][(low >> 8) & 0xFF] ^ table[5][(low >> 16) & 0xFF] ^ table[4][low >> 24]
            ^ table[3][high & 0xFF] ^ table[2][(high >> 8) & 0xFF] ^ table[1][(high >> 16) & 0xFF] ^ table[0][high >> 24];
        bytes += 8;
        length -= 8;
    }
    while (length-- > 0) {
        state = (state >> 8) ^ table[0][(state ^ *bytes++) & 0xFF];
    }
    return ~state;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint64_t state = (uint32_t)~crc;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = __builtin_ia32_crc32di(state, word);
        bytes += 8;
        length -= 8;
    }
    uint32_t narrow = (uint32_t)state;
    while (length-- > 0) {
        narrow = __builtin_ia32_crc32qi(narrow, *bytes++);
    }
    return ~narrow;
}

uint32_t cchecksum_crc32c(uint32_t crc, const void *data, size_t length) {
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(crc, data, length);
    }
    return cchecksum_crc32c_portable(crc, data, length);
}

#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)

#include <arm_acle.h>

uint32_t cchecksum_crc32c(uint32_t crc, const void *data, size_t length) {
    const uint8_t *bytes = data;
    uint32_t state = ~crc;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = __crc32cd(state, word);
        bytes += 8;
        length -= 8;
    }
    while (length-- > 0) {
        state = __crc32cb(state, *bytes++);
    }
    return ~state;
}

#else

uint32_t cchecksum_crc32c(uint32_t crc, const void *data, size_t length) {
    return cchecksum_crc32c_portable(crc, data, length);
}

#endif
