using System.Globalization;
using Edge.Training.Blocks;
using Edge.Training.Layers;

namespace Edge.Quantize.Learning;

/// <summary>Which recurrent layer; the last two are parts of an xLSTM block stack.</summary>
internal enum CellKind
{
    Lstm,
    Gru,
    Rnn,
    Slstm,
    Mlstm,
}

/// <summary>What a candidate is.</summary>
/// <param name="Cell">Its recurrent layer.</param>
/// <param name="Units">Units of each layer; of a block, values that go in and out.</param>
/// <param name="Layers">Recurrent layers, or blocks.</param>
/// <param name="Dropout">Share of the units that are dropped in training.</param>
/// <param name="Beside">Which linear forecast it stands beside: 0, or 1 for the one that reads many rows of the own column.</param>
/// <param name="Seed">Of its weights and everything random.</param>
internal sealed record Candidate(CellKind Cell, int Units, int Layers, float Dropout, int Beside, int Seed)
{
    /// <summary>Units of a block, and values of a head, are multiples of this.</summary>
    internal const int BlockUnits = 8;

    // As in the reference implementation.
    private const int HeadsMax = 4;
    private const int ConvolutionTaps = 4;

    /// <summary>Whether it is a linear layer, blocks and a norm.</summary>
    internal bool IsBlockStack => Cell is CellKind.Slstm or CellKind.Mlstm;

    /// <summary>The recurrent layers, such as <c>lstm 32</c>, or <c>lstm 32x2</c> for two of them.</summary>
    internal string CellAndUnits => $"{Cell.ToString().ToLowerInvariant()} {Units}{(Layers > 1 ? $"x{Layers}" : "")}";

    public override string ToString() =>
        CellAndUnits + (Dropout > 0 ? string.Create(CultureInfo.InvariantCulture, $", dropout {Dropout}") : "")
        + (Beside > 0 ? ", own lags" : "");

    /// <summary>Its layers below the head, with random weights.</summary>
    /// <param name="inputCount">Values of a row.</param>
    /// <param name="random">Of the weights and of dropout.</param>
    internal List<TrainableLayer> ToLayers(int inputCount, Random random) =>
        IsBlockStack ? BlockStack(inputCount, random) : Recurrent(inputCount, random);

    private List<TrainableLayer> Recurrent(int inputCount, Random random)
    {
        var layers = new List<TrainableLayer>();
        for (int l = 0; l < Layers; l++)
        {
            int inputs = l == 0 ? inputCount : Units;
            layers.Add(Cell switch
            {
                CellKind.Lstm => new LstmLayer(inputs, Units, random),
                CellKind.Gru => new GruLayer(inputs, Units, random),
                _ => new ElmanLayer(inputs, Units, random),
            });
            if (Dropout > 0)
            {
                layers.Add(new DropoutLayer(Units, Dropout, random));
            }
        }

        return layers;
    }

    // An sLSTM has a feed-forward part of a third more values behind it.
    private List<TrainableLayer> BlockStack(int inputCount, Random random)
    {
        var layers = new List<TrainableLayer> { new LinearLayer(inputCount, Units, random) };
        for (int block = 0; block < Layers; block++)
        {
            if (Cell == CellKind.Mlstm)
            {
                layers.Add(new MlstmLayer(Units, HeadsOf(2 * Units), ConvolutionTaps, random));
                continue;
            }

            layers.Add(new SlstmLayer(Units, HeadsOf(Units), ConvolutionTaps, random));
            layers.Add(new FeedForwardLayer(Units, BlockUnits * (((Units * 4 / 3) + BlockUnits - 1) / BlockUnits), random));
        }

        layers.Add(new NormLayer(Units));
        if (Dropout > 0)
        {
            layers.Add(new DropoutLayer(Units, Dropout, random));
        }

        return layers;
    }

    // Four, or as many as have a multiple of eight values each.
    private static int HeadsOf(int values)
    {
        int heads = HeadsMax;
        while (values % (heads * BlockUnits) != 0)
        {
            heads /= 2;
        }

        return heads;
    }
}
