// etcdctl: all of it is in Control.

import CommandLineKit
import Control

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

exit(await Etcdctl.main(Program.arguments))
