namespace Edge.Inference;

/// <summary>
/// The user's input is wrong: a file, a setting, a model. The message is one sentence, or one a line: what is wrong, where, and how to
/// fix it. The programs print it without a stack trace and end with exit code 1.
/// </summary>
public class InputException : Exception
{
    /// <summary>Creates the exception with its sentence.</summary>
    public InputException(string message)
        : base(message)
    {
    }

    /// <summary>Creates the exception with its sentence and what caused it.</summary>
    public InputException(string message, Exception? inner)
        : base(message, inner)
    {
    }
}
