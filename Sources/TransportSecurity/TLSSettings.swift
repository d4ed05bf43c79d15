// What an operator says about TLS on one port.

/// Files are paths of PEM; empty where there is none.
package struct TLSSettings: Sendable, Equatable {
    package var certificateFile: String
    package var keyFile: String
    /// Client certificates must chain to one of these; where it is set, a client certificate is required.
    package var trustedCAFile: String
    /// A client certificate is required; without a CA file it must chain to the system's roots.
    package var requiresClientCertificate: Bool
    /// Certificates that were taken back.
    package var revocationListFile: String
    /// Of these common names, or anybody's where there are none.
    package var allowedCommonNames: [String]
    /// Certificates must be good for one of these host names, if there are any.
    package var allowedHostNames: [String]
    /// Names as Go spells them; empty for the library's choice. TLS 1.3's are not for choosing.
    package var cipherSuites: [String]
    package var minimumVersionIs13: Bool
    package var maximumVersionIs12: Bool
    /// A certificate that names addresses or hosts must name the one its bearer connects from.
    package var comparesAddresses: Bool
    /// For ALPN, in order of preference.
    package var protocols: [String]

    package init(
        certificateFile: String, keyFile: String, trustedCAFile: String = "", requiresClientCertificate: Bool = false,
        revocationListFile: String = "", allowedCommonNames: [String] = [], allowedHostNames: [String] = [],
        cipherSuites: [String] = [], minimumVersionIs13: Bool = false, maximumVersionIs12: Bool = false,
        comparesAddresses: Bool = false, protocols: [String] = ["h2", "http/1.1"]
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.trustedCAFile = trustedCAFile
        self.requiresClientCertificate = requiresClientCertificate
        self.revocationListFile = revocationListFile
        self.allowedCommonNames = allowedCommonNames
        self.allowedHostNames = allowedHostNames
        self.cipherSuites = cipherSuites
        self.minimumVersionIs13 = minimumVersionIs13
        self.maximumVersionIs12 = maximumVersionIs12
        self.comparesAddresses = comparesAddresses
        self.protocols = protocols
    }

    /// Whether clients show certificates at all.
    package var asksForCertificate: Bool { requiresClientCertificate || !trustedCAFile.isEmpty }
}

/// Files or settings that TLS cannot be built from.
package struct TLSError: Error, Sendable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}
