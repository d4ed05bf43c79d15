#pragma once
/// Allocations of the process so far; for one thread.
unsigned long allocation_count(void);
