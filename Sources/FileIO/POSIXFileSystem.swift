// The file seam over the operating system's calls.

import Base

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The operating system's files.
package struct POSIXFileSystem: FileSystem {
    package init() {}

    package func open(_ path: String, _ options: OpenOptions) throws(FileError) -> any File {
        var flags = (options.write ? O_RDWR : O_RDONLY) | O_CLOEXEC
        if options.create { flags |= O_CREAT }
        if options.exclusive { flags |= O_EXCL }
        if options.truncate { flags |= O_TRUNC }
        let descriptor = retrying { Glibc.open(path, flags, mode_t(options.mode)) }
        guard descriptor >= 0 else { throw systemError("open", path) }
        return POSIXFile(path: path, descriptor: descriptor)
    }

    package func createDirectory(_ path: String, mode: UInt16) throws(FileError) {
        if mkdir(path, mode_t(mode)) == 0 { return }
        switch errno {
        case ENOENT where parentDirectory(of: path) != path:
            try createDirectory(parentDirectory(of: path), mode: mode)
            if mkdir(path, mode_t(mode)) == 0 || errno == EEXIST { return }
            throw systemError("mkdir", path)
        case EEXIST:
            let number = errno
            guard try status(path)?.isDirectory == true else { throw systemError("mkdir", path, number) }
        default:
            throw systemError("mkdir", path)
        }
    }

    package func list(_ path: String) throws(FileError) -> [String] {
        guard let directory = opendir(path) else { throw systemError("open", path) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(directory) else {
                if errno != 0 { throw systemError("readdir", path) }
                return names.sorted()
            }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { raw in
                String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        var information = stat()
        if lstat(path, &information) != 0 {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw systemError("stat", path)
        }
        if information.st_mode & S_IFMT == S_IFLNK, stat(path, &information) != 0 {
            if errno == ENOENT { return nil }
            throw systemError("stat", path)
        }
        return FileStatus(
            isDirectory: information.st_mode & S_IFMT == S_IFDIR,
            sizeBytes: UInt64(information.st_size),
            mode: UInt16(information.st_mode & 0o7777)
        )
    }

    package func rename(_ source: String, to target: String) throws(FileError) {
        if Glibc.rename(source, target) != 0 { throw systemError("rename", "\(source) \(target)") }
    }

    package func remove(_ path: String) throws(FileError) {
        if Glibc.remove(path) != 0 { throw systemError("remove", path) }
    }

    package func removeTree(_ path: String) throws(FileError) {
        guard let status = try status(path) else { return }
        if status.isDirectory {
            for name in try list(path) { try removeTree(path + "/" + name) }
        }
        try remove(path)
    }

    /// Everything that can be read of a path, be it a file or a pipe.
    package func read(_ path: String) throws(FileError) -> [UInt8] {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw systemError("open", path) }
        defer { _ = Glibc.close(descriptor) }
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = chunk.withUnsafeMutableBytes { buffer in
                retrying { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
            }
            if count < 0 { throw systemError("read", path) }
            if count == 0 { return content }
            content += chunk[..<count]
        }
    }

    package func syncDirectory(_ path: String) throws(FileError) {
        let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw systemError("open", path) }
        defer { _ = Glibc.close(descriptor) }
        if retrying({ fsync(descriptor) }) != 0 { throw systemError("fsync", path) }
    }
}

/// Repeats a call that a signal interrupted.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}

/// The error of the call that just failed, in Go's lower-case words, which etcd's operators know.
func systemError(_ operation: String, _ path: String, _ number: Int32 = errno) -> FileError {
    var reason = strerror(number).map { String(cString: $0) } ?? "errno \(number)"
    if let first = reason.first, reason.dropFirst().first?.isUppercase != true {
        reason = first.lowercased() + reason.dropFirst()
    }
    return FileError(operation: operation, path: path, number: number, reason: reason)
}
