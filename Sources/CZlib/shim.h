// zlib, for messages that clients send compressed. Its initialisers are macros, which Swift cannot call.
#include <zlib.h>

static inline int czlib_inflate_init_gzip(z_stream *stream) { return inflateInit2(stream, 15 + 32); }
