namespace Edge.Inference.Models;

/// <summary>A model, manifest or state that cannot be used. The message is one sentence for the user: what, where, how to mend it.</summary>
public sealed class ModelFormatException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public ModelFormatException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public ModelFormatException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
