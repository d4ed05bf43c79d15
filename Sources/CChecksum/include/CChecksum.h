// CRC-32C (Castagnoli), as the processor computes it: the one piece of arithmetic Swift has no intrinsic for.
#ifndef CCHECKSUM_H
#define CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// Continues a CRC-32C over `length` bytes. `crc` is the finished value of what came before (0 at the start).
uint32_t cchecksum_crc32c(uint32_t crc, const void *data, size_t length);

/// The same by table, whatever the processor offers: the oracle of the tests.
uint32_t cchecksum_crc32c_portable(uint32_t crc, const void *data, size_t length);

#endif
