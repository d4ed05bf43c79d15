// etcd, etcdctl and etcdutl in one file, for images and packages: they share most of what they are made of. The name that
// the file is called by says which one it is; any other name is etcd's.

import CommandLineKit
import Control
import Dispatch
import EtcdProgram
import Utility

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

// No `await` here: it would make threads before etcd has blocked its signals.
switch Program.name {
case "etcdctl":
    Task { exit(await Etcdctl.main(Program.arguments)) }
    dispatchMain()
case "etcdutl":
    Task { exit(await Etcdutl.main(Array(CommandLine.arguments.dropFirst()))) }
    dispatchMain()
default:
    EtcdProgram.main(CommandLine.arguments)
}
