namespace Edge.Cluster;

/// <summary>The broker or the database cannot be used now. The message is one sentence that names it and says why.</summary>
internal sealed class OutageException(string message, Exception inner) : Exception(message, inner);
