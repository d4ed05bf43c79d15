// The system's resolver for records that have no interface of their own.
#include <netinet/in.h>
#include <arpa/nameser.h>
#include <resolv.h>

static inline int resolver_query(const char *name, int record_class, int type, unsigned char *answer, int answer_bytes) {
    return res_query(name, record_class, type, answer, answer_bytes);
}
