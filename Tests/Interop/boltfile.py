"""A reader of bbolt files, for tests that compare what two makes of member wrote: nothing of ours, nothing of Go's."""

import struct
from pathlib import Path

BRANCH, LEAF = 1, 2
BUCKET = 1


class BoltFile:
    def __init__(self, path):
        self.content = Path(path).read_bytes()
        metas = []
        for number in (0, 1):
            magic, version, size = struct.unpack_from("<III", self.content, number * 4096 + 16)
            if magic == 0xED0CDAED and version == 2:
                root, _, _, _, txid = struct.unpack_from("<QQQQQ", self.content, number * 4096 + 32)
                metas.append((txid, size, root))
        _, self.size, self.root = max(metas)

    def buckets(self):
        """Every bucket's rows, by name."""
        found = {}
        for name, (flags, value) in self.rows(self.page(self.root)):
            assert flags & BUCKET
            root, = struct.unpack_from("<Q", value)
            page = self.page(root) if root else value[16:]
            found[name.decode()] = {key: row for key, (_, row) in self.rows(page)}
        return found

    def page(self, number):
        offset = number * self.size
        overflow, = struct.unpack_from("<I", self.content, offset + 12)
        return self.content[offset:offset + (overflow + 1) * self.size]

    def rows(self, page):
        flags, count = struct.unpack_from("<HH", page, 8)
        for index in range(count):
            start = 16 + index * 16
            if flags & BRANCH:
                yield from self.rows(self.page(struct.unpack_from("<Q", page, start + 8)[0]))
            else:
                assert flags & LEAF
                kind, position, key_size, value_size = struct.unpack_from("<IIII", page, start)
                key = start + position
                yield page[key:key + key_size], (kind, page[key + key_size:key + key_size + value_size])


def database(directory):
    return Path(directory) / "member" / "snap" / "db"
