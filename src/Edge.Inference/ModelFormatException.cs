namespace Edge.Inference;

/// <summary>A model, manifest or saved state that cannot be used.</summary>
public sealed class ModelFormatException : InputException
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
