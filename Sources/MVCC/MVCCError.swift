// Why the store refuses or fails.

package import BBolt
package import Base

package enum MVCCError: Error, Sendable, Equatable {
    /// The revision was compacted away.
    case compacted
    /// The revision is still to come.
    case futureRevision
    /// The file below cannot be read.
    case backend(BBoltError)
    /// A row of the index is not in the file, or is none.
    case corruptRow(Revision)
}

func onBackend<R>(_ body: () throws(BBoltError) -> R) throws(MVCCError) -> R {
    do throws(BBoltError) { return try body() } catch { throw .backend(error) }
}
