namespace Edge.Runtime;

/// <summary>The user's input is wrong. The message is one sentence (or one a line): what, where, how to mend it. Exit code 1.</summary>
internal sealed class InputException(string message, Exception? inner = null) : Exception(message, inner);
