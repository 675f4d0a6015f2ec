namespace Edge.Streams.Forecasting;

/// <summary>
/// Takes the mean of the last errors off a forecast, while that leaves less than half of their squares: a model that is outside of what it
/// learned, such as in spring with one of the winter, is off by nearly the same each time. Within it errors go up and down, and nothing is
/// taken off. A decaying average, as Cui, Toth, Zhu and Hou, "Bias correction for global ensemble forecast" (2012).
/// </summary>
/// <param name="ticksAhead">Ticks ahead of the forecast, 1 or more.</param>
internal sealed class BiasCorrection(int ticksAhead)
{
    // Errors in the mean, and in the mean squares that say whether it helps; before so many nothing is taken off.
    private const int Span = 30;
    private const int Memory = 200;
    private const long SeenMin = 50;

    // The share of the squares that it has to leave to be used, less of fewer errors; and to be used no longer.
    private const double UsedBelow = 0.5;
    private const double UnusedFrom = 0.8;

    // A larger error than so many root mean squares counts as one of these: a single wild reading moves nothing.
    private const double Largest = 4;

    // By the tick at which a forecast was made: the mean, and what of it was added.
    private readonly float[] _mean = new float[ticksAhead];
    private readonly float[] _added = new float[ticksAhead];
    private double _meanNow;
    private double _square;
    private double _squareLeft;
    private long _seen;

    /// <summary>Whether the newest forecast is corrected.</summary>
    internal bool IsUsed { get; private set; }

    internal void Archive(StreamSnapshot snapshot)
    {
        snapshot.Fields<float>(_mean);
        snapshot.Fields<float>(_added);
        _meanNow = snapshot.Field(_meanNow);
        _square = snapshot.Field(_square);
        _squareLeft = snapshot.Field(_squareLeft);
        _seen = snapshot.Field(_seen);
        IsUsed = snapshot.Field(IsUsed);
    }

    /// <summary>Begins again, knowing nothing.</summary>
    internal void Clear()
    {
        Array.Clear(_mean);
        Array.Clear(_added);
        (_meanNow, _square, _squareLeft, _seen, IsUsed) = (0, 0, 0, 0, false);
    }

    /// <summary>Takes in what a forecast was off.</summary>
    /// <param name="slot">The tick at which it was made, modulo the ticks ahead.</param>
    /// <param name="error">Reading minus forecast, as corrected.</param>
    internal void Observe(int slot, float error)
    {
        double bound = _seen >= SeenMin ? Largest * Math.Sqrt(_square) : double.MaxValue;
        double ofModel = Math.Clamp((double)error + _added[slot], -bound, bound);
        double left = Math.Clamp((double)error + _added[slot] - _mean[slot], -bound, bound);
        _seen++;
        double rate = Math.Max(1.0 / Memory, 1.0 / _seen);
        _square += rate * ((ofModel * ofModel) - _square);
        _squareLeft += rate * ((left * left) - _squareLeft);
        _meanNow += Math.Max(1.0 / Span, 1.0 / _seen) * (ofModel - _meanNow);
        double share = IsUsed ? UnusedFrom : UsedBelow * Math.Min(1, (double)_seen / Memory);
        IsUsed = _seen >= SeenMin && _squareLeft < share * _square;
    }

    /// <summary>What was added to the forecast that was made then.</summary>
    /// <param name="slot">The tick, modulo the ticks ahead.</param>
    internal float Added(int slot) => _added[slot];

    /// <summary>What to add to the forecast that is made now.</summary>
    /// <param name="slot">The tick, modulo the ticks ahead.</param>
    internal float Add(int slot)
    {
        _mean[slot] = (float)_meanNow;
        _added[slot] = IsUsed ? _mean[slot] : 0;
        return _added[slot];
    }
}
