namespace Edge.Inference.Cells;

/// <summary>What an inner layer does with its int16 argument z. docs/quantization.md gives each formula.</summary>
internal enum Activation
{
    /// <summary>TANH(z): z in Q3.12, the result in Q0.15.</summary>
    Tanh,

    /// <summary>SIGM(z): z is half the argument in Q3.12, the result in Q0.15.</summary>
    Sigmoid,

    /// <summary>max(z, 0), in whatever format z has: a relu, or a hard sigmoid whose slope and offset the weights carry.</summary>
    Ramp,

    /// <summary>z itself.</summary>
    Linear,

    /// <summary>TABLE(z): any other function of one argument, only in dense layers.</summary>
    Table,
}
