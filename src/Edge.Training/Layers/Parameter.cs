namespace Edge.Training.Layers;

/// <summary>Weights that are trained together with their gradient.</summary>
public sealed class Parameter
{
    internal Parameter(string name, int rows, int columns, bool decays)
    {
        Name = name;
        Rows = rows;
        Columns = columns;
        Decays = decays;
        Value = new float[rows * columns];
        Gradient = new float[rows * columns];
    }

    /// <summary>Its name within its layer.</summary>
    public string Name { get; }

    /// <summary>Rows of the matrix.</summary>
    public int Rows { get; }

    /// <summary>Columns of the matrix.</summary>
    public int Columns { get; }

    /// <summary>Whether weight decay applies; it does not to biases.</summary>
    public bool Decays { get; }

    /// <summary>The weights [Rows, Columns], row by row.</summary>
    public float[] Value { get; }

    /// <summary>The derivative of the loss by each weight. Backward adds to it.</summary>
    public float[] Gradient { get; }

    // Uniform in ±1/sqrt(count), as PyTorch's recurrent and linear layers begin.
    internal Parameter Uniform(Random random, int count)
    {
        float bound = 1 / MathF.Sqrt(count);
        for (int i = 0; i < Value.Length; i++)
        {
            Value[i] = ((2 * random.NextSingle()) - 1) * bound;
        }

        return this;
    }

    internal Parameter Filled(float value)
    {
        Value.AsSpan().Fill(value);
        return this;
    }
}
