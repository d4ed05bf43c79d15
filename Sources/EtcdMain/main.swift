// etcd: all of it is in EtcdProgram.

import EtcdProgram

EtcdProgram.main(CommandLine.arguments)
