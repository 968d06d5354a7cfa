package {{ java_package }}

/**
 * What an input or output is: real = (value - zeroPoint) * scale; a scale of 0 stands for values as
 * they are. Unsigned types come in the signed array of their width.
 */
class Tensor(
    @JvmField val dtype: String,
    @JvmField val shape: IntArray,
    @JvmField val scale: Double,
    @JvmField val zeroPoint: Int
) {
    /** Number of values of one call. */
    @JvmField
    val elements: Int = shape.fold(1) { all, size -> all * size }
}
