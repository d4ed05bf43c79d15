// etcdutl: all of it is in Utility.

import Utility

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

exit(await Etcdutl.main(Array(CommandLine.arguments.dropFirst())))
