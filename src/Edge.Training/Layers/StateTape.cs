namespace Edge.Training.Layers;

/// <summary>A state before each step of a sequence and after the last one, carried from sequence to sequence.</summary>
/// <param name="depth">D: rows that are carried. With more than one, the state is the last rows.</param>
internal sealed class StateTape(int depth = 1)
{
    private int _steps;
    private bool _isBegun;

    /// <summary>[T+D, B, U].</summary>
    internal float[] Values { get; private set; } = [];

    /// <summary>Makes room; the state after the last sequence becomes the one before this.</summary>
    /// <param name="steps">T.</param>
    /// <param name="row">B·U.</param>
    internal void Begin(int steps, int row)
    {
        float[] last = Values;
        if (last.Length < (steps + depth) * row)
        {
            Values = new float[(steps + depth) * row];
        }

        if (_isBegun)
        {
            last.AsSpan(_steps * row, depth * row).CopyTo(Values);
        }
        else
        {
            Values.AsSpan(0, depth * row).Clear();
        }

        (_steps, _isBegun) = (steps, true);
    }

    /// <summary>The next sequence starts from zero.</summary>
    internal void Reset() => _isBegun = false;
}
