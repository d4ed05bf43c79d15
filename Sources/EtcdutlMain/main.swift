// etcdutl: all of it is in Utility.

import Foundation
import Utility

exit(await Etcdutl.main(Array(CommandLine.arguments.dropFirst())))
