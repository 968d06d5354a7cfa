// swift-tools-version:5.8
// {{ name }}: {{ models | map(attribute="name") | join(", ") }}. Made by edgeq {{ edgeq_version }}.
import PackageDescription

let package = Package(
    name: "{{ module }}",
    platforms: [.iOS(.v13), .macOS(.v10_15), .tvOS(.v13), .watchOS(.v6)],
    products: [
        .library(name: "{{ module }}", targets: ["{{ module }}"])
    ],
    targets: [
        .target(name: "C{{ module }}", publicHeadersPath: "."),
        .target(name: "{{ module }}", dependencies: ["C{{ module }}"]),
        .testTarget(name: "{{ module }}Tests", dependencies: ["{{ module }}"]),
    ],
    cLanguageStandard: .c99
)
