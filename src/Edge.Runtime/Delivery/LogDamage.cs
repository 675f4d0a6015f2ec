namespace Edge.Runtime.Delivery;

/// <summary>What bytes of a file of the log are that belong to no record.</summary>
internal enum LogDamageKind
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>The beginning of the record that the process wrote when it was killed: it was not committed.</summary>
    CutByKill,

    /// <summary>Records that were committed may have been there.</summary>
    Damaged,
}

/// <summary>Bytes of a file of the log that belong to no record.</summary>
/// <param name="Kind">What they are.</param>
/// <param name="RecordsBefore">How many records come before the first of them.</param>
internal readonly record struct LogDamage(LogDamageKind Kind, int RecordsBefore);
