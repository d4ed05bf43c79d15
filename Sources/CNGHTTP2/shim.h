// libnghttp2, the reference HTTP/2 library: framing, HPACK, flow control and the defences against abuse.
#include <nghttp2/nghttp2.h>
