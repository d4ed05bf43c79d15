// etcdctl: all of it is in Control.

import CommandLineKit
import Control
import Foundation

exit(await Etcdctl.main(Program.arguments))
