namespace Edge.Inference.Cells;

/// <summary>What a dense head does with its float outputs.</summary>
internal enum OutputActivation
{
    /// <summary>Nothing.</summary>
    Linear,

    /// <summary>max(y, 0).</summary>
    Relu,

    /// <summary>1 / (1 + e^-y).</summary>
    Sigmoid,

    /// <summary>(1 - e^-2y) / (1 + e^-2y).</summary>
    Tanh,

    /// <summary>e^y_r / Σ e^y_s.</summary>
    Softmax,

    /// <summary>y_r - log Σ e^y_s.</summary>
    LogSoftmax,
}
