namespace Edge.Inference.Kernels;

/// <summary>
/// The vectorized step of one block of 16 units of each kind of layer, and of the head. Implementations are empty structs: the JIT
/// makes a stepper of its own for each, with no call through an interface.
/// </summary>
/// <remarks>
/// <c>x</c> is a layer's input and <c>h</c> what its recurrent products read: int16 pairs, or int8 as <see cref="Lay"/> lays them.
/// <c>state</c> and <c>output</c> are 16 int16 of the block.
/// </remarks>
internal unsafe interface IKernel
{
    /// <summary>What is added to int8 activations before they come in: 128 for unsigned-by-signed dot products, else 0.</summary>
    static abstract int ActivationOffset { get; }

    /// <summary>Whether it works on vectors of 256 bits with AVX2; else on 128 bits.</summary>
    static abstract bool IsWide { get; }

    /// <summary>Lays int8 activations as the products read them.</summary>
    /// <param name="values">The activations, -127..127.</param>
    /// <param name="count">How many.</param>
    /// <param name="to">Receives them: two bytes each, to whole blocks of 16, and 8 more.</param>
    static abstract void Lay(sbyte* values, int count, byte* to);

    /// <summary>The products of blocks of an LSTM, each of 16 units.</summary>
    /// <param name="layer">The packed layer.</param>
    /// <param name="begin">First block.</param>
    /// <param name="end">Behind the last one.</param>
    /// <param name="x">The layer's input.</param>
    /// <param name="h">What the recurrent product reads.</param>
    /// <param name="sums">Receives of each block what <see cref="ActivateLstm"/> needs of it.</param>
    static abstract void SumLstm(PackedLayer layer, int begin, int end, byte* x, byte* h, LstmSums* sums);

    /// <summary>What follows the products. Apart from them, so that blocks overlap in the processor.</summary>
    /// <param name="layer">The packed layer.</param>
    /// <param name="begin">First block.</param>
    /// <param name="end">Behind the last one.</param>
    /// <param name="sums">What <see cref="SumLstm"/> gave; overwritten.</param>
    /// <param name="newH">Receives 16 int8 a block: h of this step, meaningless where the layer keeps it in int16.</param>
    /// <param name="c">16 int16 of cell state a block, updated.</param>
    /// <param name="output">Receives 16 int16 a block.</param>
    /// <param name="clipped">
    /// Receives of each block, bit u: the cell state of unit u was clipped; bit 16 + u: its hidden state was.
    /// </param>
    /// <returns>Whether any was.</returns>
    static abstract bool ActivateLstm(
        PackedLayer layer, int begin, int end, LstmSums* sums, sbyte* newH, short* c, short* output, uint* clipped);

    /// <summary>A block of a GRU that resets after the product; <paramref name="state"/> is updated.</summary>
    static abstract void StepGru(PackedLayer layer, int block, byte* x, byte* h, short* state);

    /// <summary>The first half of a GRU that resets before the product: r·state and the update gate.</summary>
    static abstract void StepGruGates(PackedLayer layer, int block, byte* x, byte* h, short* state, short* reset, short* update);

    /// <summary>The second half, once <paramref name="reset"/> is there of every unit; <paramref name="state"/> is updated.</summary>
    static abstract void StepGruCandidate(PackedLayer layer, int block, byte* x, byte* reset, short* update, short* state);

    /// <summary>A block of an Elman or a dense layer.</summary>
    static abstract void StepSimple(PackedLayer layer, int block, byte* x, byte* h, short* output);

    /// <summary>16 int16 outputs to int8: clamp(MULR(output, multiplier), -127, 127). Bit u of the result: unit u was clipped.</summary>
    static abstract uint Narrow(short* output, short* multiplier, sbyte* to);

    /// <summary>The head, before its activation, over one state's int16 outputs.</summary>
    static abstract void StepHead(PackedHead head, short* x, float* outputs);
}

/// <summary>A number of gates that the JIT knows while it compiles.</summary>
internal interface IGateCount
{
    static abstract int Count { get; }
}

internal readonly struct OneGate : IGateCount
{
    public static int Count => 1;
}

internal readonly struct TwoGates : IGateCount
{
    public static int Count => 2;
}

internal readonly struct ThreeGates : IGateCount
{
    public static int Count => 3;
}

internal readonly struct FourGates : IGateCount
{
    public static int Count => 4;
}

/// <summary>The products of a block of an LSTM, in whatever form its kernel keeps them.</summary>
[System.Runtime.CompilerServices.InlineArray(128)]
internal struct LstmSums
{
    private int _first;
}
