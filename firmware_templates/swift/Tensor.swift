/// What an input or output is: real = (value - zeroPoint) * scale; a scale of 0 stands for values
/// as they are.
public struct Tensor: Sendable, Hashable {
    public let dtype: String
    public let shape: [Int]
    public let scale: Double
    public let zeroPoint: Int

    /// Number of values of one call.
    public var count: Int { shape.reduce(1, *) }
}
