using Edge.Training;
using Edge.Training.Layers;
using Edge.Training.Losses;
using Edge.Training.Reference;

namespace Edge.Quantize.Learning;

/// <summary>The losses after an epoch: of training, and on the validation rows as a share of that without the net.</summary>
internal readonly record struct EpochLoss(double Training, double Validation);

/// <summary>
/// A recurrent net that learns what a linear forecast leaves: the residual of each output in units of its deviation. Several strands of the
/// training rows are learned side by side with the state carried; after each epoch the validation rows judge, and the best weights are
/// kept.
/// </summary>
internal sealed class ForecastNet
{
    private const int Steps = 32;
    private const int JudgedSteps = 64;

    // A state has settled after so many rows.
    private const int SettleSteps = 64;
    private const int SettleRows = 512;
    private const int StrandsMax = 24;
    private const int WindowsPerStrandMin = 6;
    private const double GradientMax = 1;
    private const float HuberThreshold = 3;
    private const double Rate = 4e-3;

    // Epochs without a better one before a candidate ends.
    private const int Patience = 12;

    private readonly TrainingRows _rows;
    private readonly ForecastTargets _targets;
    private readonly LinearResiduals _linear;
    private readonly LinearResiduals _reference;
    private readonly int _outputs;
    private readonly Network _network;
    private readonly AdamW _optimizer;
    private readonly HuberLoss _loss = new(HuberThreshold);
    private readonly Random _random;
    private readonly int _strands;
    private readonly List<EpochLoss> _losses = [];
    private float[][] _best;
    private int _bestEpoch;

    /// <param name="candidate">What to train.</param>
    /// <param name="rows">The recording.</param>
    /// <param name="targets">What the outputs shall say.</param>
    /// <param name="linear">What its linear forecast leaves.</param>
    /// <param name="reference">What another one leaves, by which candidates with different ones are compared.</param>
    internal ForecastNet(
        Candidate candidate, TrainingRows rows, ForecastTargets targets, LinearResiduals linear, LinearResiduals reference)
    {
        (Candidate, _rows, _targets, _linear, _reference) = (candidate, rows, targets, linear, reference);
        _outputs = targets.Outputs.Count;
        _random = new Random(candidate.Seed);
        List<TrainableLayer> layers = candidate.ToLayers(rows.Width, _random);

        // A head of zeros: the net starts by leaving the linear forecast as it is.
        var head = new LinearLayer(candidate.Units, _outputs, _random);
        head.Parameters[0].Value.AsSpan().Clear();
        layers.Add(head);
        _network = new Network([.. layers]);
        _optimizer = new AdamW(_network.Parameters) { Decay = 0.02f };
        _strands = Math.Clamp(rows.TrainEnd / (Steps * WindowsPerStrandMin), 1, StrandsMax);
        _best = _network.Save();
        (Score, Share) = (linear.ScoreBeside(reference), new float[_outputs]);
    }

    internal Candidate Candidate { get; }

    /// <summary>Mean over the outputs of the square error on the rows that choose, as a share of that of the reference.</summary>
    internal double Score { get; private set; }

    /// <summary>How much of what the net says is added to each output, 0 to 1: what is best on the validation rows.</summary>
    internal float[] Share { get; private set; }

    /// <summary>After each epoch.</summary>
    internal IReadOnlyList<EpochLoss> Losses => _losses;

    /// <summary>Whether more epochs are not likely to help.</summary>
    internal bool IsDone => _losses.Count - _bestEpoch > Patience;

    /// <summary>Trains one epoch.</summary>
    /// <param name="progress">Share of the training that is done, 0 to 1: the learning rate falls along half a cosine.</param>
    internal void Epoch(double progress)
    {
        int length = _rows.TrainEnd / _strands;
        int first = _random.Next(Math.Min(Steps, Math.Max(1, length / 4)));
        var x = new float[Steps * _strands * _rows.Width];
        var target = new float[Steps * _strands * _outputs];
        var gradient = new float[target.Length];
        (double sum, int windows) = (0, 0);
        double rate = Rate * CosineSchedule.Of(progress);
        _network.Reset();
        for (int begin = first; begin + Steps <= length; begin += Steps)
        {
            Gather(begin, length, Steps, x, target);
            ReadOnlySpan<float> y = _network.Forward(x, _strands, isTraining: true);
            sum += _loss.Measure(y, target, gradient);
            windows++;
            _network.Backward(x, gradient, _strands);
            _optimizer.Clip(GradientMax);
            _optimizer.Step(rate);
        }

        Judge(sum / Math.Max(1, windows));
    }

    /// <summary>The best weights so far.</summary>
    internal TrainedNet Save() => new(Candidate, Score, Share, _best);

    /// <summary>Takes the best weights of an earlier training as its own.</summary>
    internal void Restore(TrainedNet trained) => (Score, Share, _best) = (trained.Score, trained.Share, trained.Weights);

    /// <summary>The best weights with the linear forecast beside them, as one model; the end of the training.</summary>
    internal FloatModel ToModel()
    {
        _network.Restore(_best);
        FloatLayer[] layers = [.. _network.Layers.Select(layer => layer.ToReference()).OfType<FloatLayer>()];
        var head = (FloatDense)layers[^1];
        float[] weight = [.. head.Weight.Select((w, at) => w * Gain(at / head.InputCount))];
        float[] bias = [.. head.Bias.Select((b, k) => b * Gain(k))];
        head = head with { Weight = weight, Bias = bias };
        return new FloatModel(null, null, layers[..^1], head, new string('0', 64)) { Lags = _linear.Regression };

        float Gain(int k) => Share[k] * _linear.Deviation[k];
    }

    // Inputs and, where there is room, targets of some steps of all strands; what chooses is no target.
    private void Gather(int begin, int length, int steps, Span<float> x, Span<float> target)
    {
        int width = _rows.Width;
        for (int t = 0; t < steps; t++)
        {
            for (int s = 0; s < _strands; s++)
            {
                int row = (s * length) + begin + t;
                int at = (t * _strands) + s;
                _rows.Row(row).CopyTo(x[(at * width)..]);
                if (target.IsEmpty)
                {
                    continue;
                }

                Span<float> wanted = target.Slice(at * _outputs, _outputs);
                _linear.Of(row).CopyTo(wanted);
                if (_rows.Chooses(row))
                {
                    wanted.Fill(float.NaN);
                }
            }
        }
    }

    // On the rows that choose: those among the training rows, strand by strand, and the ones after them.
    private void Judge(double training)
    {
        var sums = new Sums(_outputs);
        int length = _rows.TrainEnd / _strands;
        var x = new float[JudgedSteps * _strands * _rows.Width];
        _network.Reset();
        for (int begin = 0; begin + JudgedSteps <= length; begin += JudgedSteps)
        {
            Gather(begin, length, JudgedSteps, x, []);
            ReadOnlySpan<float> y = _network.Forward(x, _strands);
            for (int t = 0; t < JudgedSteps; t++)
            {
                for (int s = 0; s < _strands && begin + t >= SettleSteps; s++)
                {
                    int row = (s * length) + begin + t;
                    if (_rows.Chooses(row))
                    {
                        sums.Add(_rows.ChoosingPart(row), y.Slice(((t * _strands) + s) * _outputs, _outputs), _linear.Of(row));
                    }
                }
            }
        }

        _network.Reset();
        for (int from = Math.Max(0, _rows.TrainEnd - SettleRows); from < _rows.ValidationEnd; from += JudgedSteps)
        {
            int to = Math.Min(_rows.ValidationEnd, from + JudgedSteps);
            ReadOnlySpan<float> rows = _rows.Values.AsSpan(from * _rows.Width, (to - from) * _rows.Width);
            ReadOnlySpan<float> y = _network.Forward(rows, 1);
            for (int row = Math.Max(from, _rows.TrainEnd); row < to; row++)
            {
                sums.Add(_rows.ChoosingPart(row), y.Slice((row - from) * _outputs, _outputs), _linear.Of(row));
            }
        }

        (double score, float[] share) = sums.Judge(k => _linear.SquareBeside(_reference, k));
        _losses.Add(new EpochLoss(training, score));
        if (score < Score)
        {
            (Score, Share, _best, _bestEpoch) = (score, share, _network.Save(), _losses.Count);
        }
    }

    // Of what the net says and of what it should have said, in every part of the rows that choose.
    private sealed class Sums(int outputs)
    {
        private readonly double[,] _products = new double[TrainingRows.ChoosingParts, outputs];
        private readonly double[,] _squares = new double[TrainingRows.ChoosingParts, outputs];
        private readonly double[] _residuals = new double[outputs];

        internal void Add(int part, ReadOnlySpan<float> said, ReadOnlySpan<float> residuals)
        {
            for (int k = 0; k < said.Length; k++)
            {
                if (!float.IsNaN(residuals[k]))
                {
                    _products[part, k] += (double)said[k] * residuals[k];
                    _squares[part, k] += (double)said[k] * said[k];
                    _residuals[k] += (double)residuals[k] * residuals[k];
                }
            }
        }

        // The share of each output, and what then remains of the square of the residuals, mean over the outputs.
        internal (double Score, float[] Share) Judge(Func<int, double> beside)
        {
            double score = 0;
            var share = new float[_residuals.Length];
            for (int k = 0; k < share.Length; k++)
            {
                (double part, double product, double square) = ShareOf(k);
                share[k] = (float)part;
                double rest = _residuals[k] - (2 * part * product) + (part * part * square);
                score += (_residuals[k] > 0 ? rest / _residuals[k] : 1) * beside(k) / share.Length;
            }

            return (score, share);
        }

        // What helps on the blocks among the training rows and on the rows after them, too: the smaller share of both.
        private (double Share, double Product, double Square) ShareOf(int output)
        {
            const int Blocks = TrainingRows.ChoosingParts / 2;
            (double product, double square) = (0, 0);
            for (int part = 0; part < TrainingRows.ChoosingParts; part++)
            {
                product += _products[part, output];
                square += _squares[part, output];
            }

            double share = Math.Min(ShareOf(output, 0, Blocks), ShareOf(output, Blocks, TrainingRows.ChoosingParts));
            return (share, product, square);
        }

        // The share that is best on some parts, less what it owes to single ones: its variance without each of them in turn (the jackknife)
        // shrinks it as James and Stein, "Estimation with quadratic loss" (1961), shrink a mean.
        private double ShareOf(int output, int begin, int end)
        {
            (double product, double square) = (0, 0);
            for (int part = begin; part < end; part++)
            {
                product += _products[part, output];
                square += _squares[part, output];
            }

            if (square <= 0 || product <= 0)
            {
                return 0;
            }

            double best = product / square;
            (double sum, double squares, int count) = (0, 0, 0);
            for (int part = begin; part < end; part++)
            {
                double without = square - _squares[part, output];
                if (_squares[part, output] > 0 && without > 0)
                {
                    double other = ((product - _products[part, output]) / without) - best;
                    (sum, squares, count) = (sum + other, squares + (other * other), count + 1);
                }
            }

            double variance = count < 2 ? best * best : (count - 1.0) / count * (squares - (sum * sum / count));
            return Math.Clamp(best * Math.Max(0, 1 - (variance / (best * best))), 0, 1);
        }
    }
}
