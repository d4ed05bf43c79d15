"""Reads profiles of pprof, in their own encoding, with nothing but this file."""

import gzip


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    """(number, value) of a message; values are numbers or bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            value, at = varint(data, at)
        else:
            assert tag & 7 == 2, f"wire type {tag & 7}"
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length
        yield tag >> 3, value


def numbers(values):
    """A repeated number, packed or not."""
    for value in values:
        if isinstance(value, int):
            yield value
        else:
            at = 0
            while at < len(value):
                number, at = varint(value, at)
                yield number


def message(data):
    found = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    return found


def signed(number):
    return number - (1 << 64) if number >> 63 else number


class Profile:
    def __init__(self, packed):
        top = message(gzip.decompress(packed))
        self.strings = [text.decode() for text in top[6]]
        assert self.strings[0] == ""
        self.types = [self.pair(one) for one in top[1]]
        self.period_type, self.period = self.pair(top[11][0]), top.get(12, [0])[0]
        self.nanoseconds, self.duration = top[9][0], top.get(10, [0])[0]
        self.default_type = self.strings[top.get(14, [0])[0]]
        functions = {}
        for one in top.get(5, []):
            function = message(one)
            functions[function[1][0]] = self.strings[function.get(2, [0])[0]]
        self.mappings = {}
        for one in top.get(3, []):
            mapping = message(one)
            self.mappings[mapping[1][0]] = (
                mapping.get(2, [0])[0], mapping[3][0], mapping.get(4, [0])[0], self.strings[mapping.get(5, [0])[0]],
                self.strings[mapping.get(6, [0])[0]])
        self.locations = {}
        for one in top.get(4, []):
            location = message(one)
            names = [functions[message(line)[1][0]] for line in location.get(4, [])]
            self.locations[location[1][0]] = (location.get(3, [0])[0], location.get(2, [0])[0], names)
        self.samples = []
        for one in top.get(2, []):
            sample = message(one)
            stack = [self.locations[number] for number in numbers(sample.get(1, []))]
            labels = {}
            for label in sample.get(3, []):
                key, text = self.pair(label)
                labels[key] = text
            self.samples.append((stack, [signed(value) for value in numbers(sample[2])], labels))

    def pair(self, data):
        both = message(data)
        return self.strings[both.get(1, [0])[0]], self.strings[both.get(2, [0])[0]]

    def total(self, index=0):
        return sum(values[index] for _, values, _ in self.samples)
