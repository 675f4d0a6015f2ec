namespace Edge.Training.Layers;

/// <summary>A state before each step of a sequence and after the last one, carried from sequence to sequence.</summary>
internal sealed class StateTape
{
    private int _steps;
    private bool _isBegun;

    /// <summary>[T+1, B, U].</summary>
    internal float[] Values { get; private set; } = [];

    /// <summary>Makes room; the state after the last sequence becomes the one before this.</summary>
    /// <param name="steps">T.</param>
    /// <param name="row">B·U.</param>
    internal void Begin(int steps, int row)
    {
        float[] last = Values;
        if (last.Length < (steps + 1) * row)
        {
            Values = new float[(steps + 1) * row];
        }

        if (_isBegun)
        {
            last.AsSpan(_steps * row, row).CopyTo(Values);
        }
        else
        {
            Values.AsSpan(0, row).Clear();
        }

        (_steps, _isBegun) = (steps, true);
    }

    /// <summary>The next sequence starts from zero.</summary>
    internal void Reset() => _isBegun = false;
}
