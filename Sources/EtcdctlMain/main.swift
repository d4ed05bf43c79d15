// etcdctl: all of it is in Control.

import Control
import Foundation

exit(await Etcdctl.main(Array(CommandLine.arguments.dropFirst())))
