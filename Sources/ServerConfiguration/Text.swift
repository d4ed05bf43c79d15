// Small text tools that Go's standard library has and Swift's has not.

extension String {
    /// The text with each `character` replaced.
    func replacing(_ character: Character, with replacement: Character) -> String {
        String(map { $0 == character ? replacement : $0 })
    }
}
