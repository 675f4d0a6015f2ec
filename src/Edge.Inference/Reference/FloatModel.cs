namespace Edge.Inference.Reference;

/// <summary>
/// The float32 model as trained: the yardstick of every accuracy figure. Row order of the gates: input, forget, cell, output.
/// </summary>
/// <param name="InputCount">I.</param>
/// <param name="Layers">At least one.</param>
/// <param name="Head">The dense head.</param>
/// <param name="Sha256">SHA-256 of the file it was read from, lower-case hex.</param>
internal sealed record FloatModel(int InputCount, IReadOnlyList<FloatLstm> Layers, FloatDense Head, string Sha256)
{
    internal int OutputCount => Head.OutputCount;
}

/// <summary>One LSTM layer.</summary>
/// <param name="InputCount">Inputs of the layer.</param>
/// <param name="HiddenCount">H.</param>
/// <param name="InputWeight">[4H, I].</param>
/// <param name="RecurrentWeight">[4H, H].</param>
/// <param name="Bias">[4H], both biases added.</param>
internal sealed record FloatLstm(int InputCount, int HiddenCount, float[] InputWeight, float[] RecurrentWeight, float[] Bias);

/// <summary>y = W·h + b.</summary>
/// <param name="InputCount">H of the last layer.</param>
/// <param name="OutputCount">O.</param>
/// <param name="Weight">[O, H].</param>
/// <param name="Bias">[O].</param>
internal sealed record FloatDense(int InputCount, int OutputCount, float[] Weight, float[] Bias);
