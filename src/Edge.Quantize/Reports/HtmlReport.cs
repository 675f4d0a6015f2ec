using Edge.Inference;
using Edge.Inference.Cells;
using Edge.Inference.Models;
using Edge.Quantize.Calibration;
using Edge.Quantize.Evaluation;

namespace Edge.Quantize.Reports;

/// <summary>An evaluation as one HTML page: figures, table, and plots of forecasts, errors, drift, costs and gates.</summary>
internal static class HtmlReport
{
    private const int PlottedRows = 240;
    private const int PlottedOutputs = 6;
    private const int Bins = 41;

    /// <summary>Writes the page of an int8 model beside its float model, if a path is given.</summary>
    /// <param name="path">The file.</param>
    /// <param name="report">What was measured.</param>
    /// <param name="output">Told where the page is.</param>
    /// <param name="manifest">Of the new model, with the errors of simple forecasts; null for none.</param>
    internal static void Write(string? path, EvaluationReport report, TextWriter output, ModelManifest? manifest = null)
    {
        string lead = $"{report.Quantized.Architecture}; scored on rows {report.Model.Begin} to {report.Model.End - 1}, the state carried "
            + "from row 0.";
        var head = new PageHead($"{report.Reference.Manifest.Name}: int8 compared with float", lead, [.. Tiles(report)]);
        Write(path, report, output, head, page => WriteBaselines(page, manifest));
    }

    /// <summary>Writes the page under another head, if a path is given.</summary>
    /// <param name="path">The file.</param>
    /// <param name="report">What was measured.</param>
    /// <param name="output">Told where the page is.</param>
    /// <param name="head">What stands first.</param>
    /// <param name="writeMore">Writes what follows it.</param>
    internal static void Write(string? path, EvaluationReport report, TextWriter output, PageHead head, Action<Page> writeMore)
    {
        if (path is null)
        {
            return;
        }

        var page = new Page();
        page.Heading(1, head.Title);
        page.Paragraph(head.Lead);
        page.Tiles(head.Tiles);
        writeMore(page);
        page.Heading(2, "Errors of float and int8 on held-out rows");
        page.Paragraph("In physical units. Int8 - float is the root mean square of their difference over the output's standard deviation.");
        page.Table(
            ["output", "float RMSE", "int8 RMSE", "change", "persistence", "float MAE", "int8 MAE", "int8 - float"],
            report.Model.Outputs.Select(Row));
        WriteForecasts(page, report);
        WriteErrors(page, report);
        page.Heading(2, "Drift");
        page.Paragraph(
            $"The same {report.Drift.BlockSteps} steps are repeated, and the state is kept: "
                + $"int8 - float of the worst output in each round, percent of its deviation. A line that stays level is no drift.");
        var worst = new Series(report.Drift.Worst.Select(each => 100 * each).ToArray(), 2);
        page.Plots([("worst output, percent", Plot.Lines([worst], "first steps", $"{report.Drift.Steps} steps", fromZero: true))]);
        WriteOutside(page, report);
        page.Heading(2, "Which gate costs what");
        page.Paragraph("Int8 - float of the worst output if only this gate's weights are rounded and everything else stays float.");
        string costs = Plot.Bars(report.Costs
            .Select(cost => ($"{cost.Layer} {cost.Gate}", cost.WorstDifference, $"{100 * cost.WorstDifference:0.000} %"))
            .ToArray());
        page.Plots([("percent of the output's deviation", costs)]);
        WriteGates(page, report);
        page.Heading(2, "Provenance");
        page.Paragraph(report.Quantized.Provenance);
        page.Write(path, head.Title);
        output.WriteLine($"report: {path}");
    }

    /// <summary>The errors of a model beside those of simple forecasts, if they were measured.</summary>
    internal static void WriteBaselines(Page page, ModelManifest? manifest)
    {
        if (manifest is { Baselines.Count: > 0 })
        {
            page.Heading(2, "Beside simple forecasts");
            page.Paragraph(BaselineTable.Verdict(manifest));
            page.Table(BaselineTable.Header(manifest), BaselineTable.Rows(manifest));
            page.Paragraph(string.Join(". ", BaselineTable.Legend(manifest)));
        }
    }

    /// <summary>The time of a step, and what it was measured on.</summary>
    internal static (string Figure, string Meaning) StepTime(ModelEvaluation model) => (
        $"{model.Int8NsPerStep / 1000:0.00} µs", $"per step on this machine, {model.Kernel}; float {model.FloatNsPerStep / 1000:0.0} µs");

    /// <summary>The size of a stream's state.</summary>
    internal static (string Figure, string Meaning) State(EdgeModel model) =>
        (Quantity.Of(model.StateBytes, "byte"), "of state per stream");

    private static IEnumerable<(string, string)> Tiles(EvaluationReport report)
    {
        ModelEvaluation model = report.Model;
        if (report.Reference.Manifest.IsForecast)
        {
            yield return (EvaluationTable.Percent(model.RmseChange), "RMSE against float, mean over outputs");
        }

        yield return ($"{100 * model.WorstDifference:0.00} %", "largest difference of an output, of its deviation");
        if (report.Outside.Count > 0 && report.Reference.Manifest.IsForecast)
        {
            yield return (
                EvaluationTable.Percent(report.Outside.Max(result => result.RmseChange)),
                "RMSE against float far outside the calibrated range");
        }

        yield return (
            $"{100 * report.Drift.First:0.00} → {100 * report.Drift.Later:0.00} %",
            $"difference at first and later, {report.Drift.Steps / 1000} thousand steps");
        yield return StepTime(model);
        yield return State(report.Quantized);
        yield return (
            $"{model.InputSaturations.Sum()} / {model.CellSaturations.Sum()} / {model.HiddenSaturations.Sum()}",
            "readings, cell and hidden states clipped");
    }

    private static IReadOnlyList<string> Row(OutputEvaluation result) =>
    [
        result.Unit.Length > 0 ? $"{result.Output} {result.Unit}" : result.Output,
        EvaluationTable.Number(result.FloatRmse),
        EvaluationTable.Number(result.Int8Rmse),
        result.FloatRmse > 0 ? EvaluationTable.Percent((result.Int8Rmse / result.FloatRmse) - 1) : "",
        EvaluationTable.Number(result.PersistenceRmse),
        EvaluationTable.Number(result.FloatMae), EvaluationTable.Number(result.Int8Mae), $"{100 * result.DifferenceRms:0.000} %",
    ];

    private static void WriteForecasts(Page page, EvaluationReport report)
    {
        ModelManifest manifest = report.Reference.Manifest;
        int outputs = manifest.Outputs.Count;
        int begin = Math.Max(report.Model.Begin, report.Model.End - PlottedRows);
        page.Heading(2, manifest.IsForecast ? "Forecast over actual" : "Outputs");
        page.Key(manifest.IsForecast ? [(0, "actual"), (1, "float"), (2, "int8")] : [(1, "float"), (2, "int8")]);
        page.Plots(Some(outputs).Select(k =>
        {
            ModelOutput output = manifest.Outputs[k];
            var series = new List<Series>();
            if (output.IsForecast)
            {
                series.Add(
                    new Series(
                        Rows(
                            row =>
                                row + output.TicksAhead < report.Model.End
                                    ? Physical(output, report.Reference.Readings.Row(row + output.TicksAhead)[output.Column])
                                    : double.NaN),
                        0));
            }

            series.Add(new Series(Rows(row => Physical(output, report.Reference.Output(row)[k])), 1));
            series.Add(new Series(Rows(row => Physical(output, report.Model.Int8Outputs[(row * outputs) + k])), 2));
            return (Name(manifest, k), Plot.Lines(series, $"row {begin}", $"row {report.Model.End - 1}"));
        }));

        double[] Rows(Func<int, double> value) => Enumerable.Range(begin, report.Model.End - begin).Select(value).ToArray();
        double Physical(ModelOutput output, double value) => output.IsForecast ? manifest.Denormalize(output.Column, value) : value;
    }

    private static void WriteErrors(Page page, EvaluationReport report)
    {
        ModelManifest manifest = report.Reference.Manifest;
        if (!manifest.IsForecast)
        {
            return;
        }

        page.Heading(2, "Distribution of errors");
        page.Key((1, "float"), (2, "int8"));
        page.Plots(Some(manifest.Outputs.Count).Select(k =>
        {
            ModelOutput output = manifest.Outputs[k];
            double std = manifest.Std[output.Column];
            int[] rows = Enumerable.Range(
                report.Model.Begin,
                Math.Max(0, report.Model.End - report.Model.Begin - output.TicksAhead)).ToArray();
            double[] floatErrors = [.. rows.Select(row => std * (report.Reference.Output(row)[k] - Actual(row)))];
            double[] int8Errors = [.. rows.Select(row => std * (Int8(row) - Actual(row)))];
            double reach = floatErrors.Select(Math.Abs).Order().ElementAtOrDefault((int)(0.99 * floatErrors.Length)) * 1.2;
            return (Name(manifest, k), Plot.Histogram(Count(floatErrors, reach), Count(int8Errors, reach), $"{-reach:G3}", $"{reach:G3}"));

            double Actual(int row) => report.Reference.Readings.Row(row + output.TicksAhead)[output.Column];
            double Int8(int row) => report.Model.Int8Outputs[(row * manifest.Outputs.Count) + k];
        }));
    }

    private static void WriteOutside(Page page, EvaluationReport report)
    {
        if (report.Outside.Count == 0)
        {
            return;
        }

        page.Heading(2, "Outside the calibrated range");
        page.Paragraph(
            "Each column in turn is raised so that its smallest value is ten standard deviations above its largest one, as in an anomaly.");
        page.Table(
            ["column", "raised by", "RMSE change", "int8 - float"],
            report.Outside.Select(result => (IReadOnlyList<string>)[result.Column, $"{result.By:0.0} deviations",
                report.Reference.Manifest.IsForecast ? EvaluationTable.Percent(result.RmseChange) : "",
                $"{100 * result.WorstDifference:0.000} %"]));
    }

    // How open each unit's gates are over the scored rows: dark is open.
    private static void WriteGates(Page page, EvaluationReport report)
    {
        var trace = new CellTrace(report.Quantized);
        ReadingsFile readings = report.Reference.Readings;
        int begin = Math.Max(0, report.Model.End - PlottedRows);
        float[] y = new float[report.Quantized.OutputCount];
        double[][] sums = report.Quantized.Layers.Select(
            layer => new double[CellTrace.GateNames(layer).Length * layer.UnitCount]).ToArray();
        double[][][] kept = sums.Select(
            (sum, l) =>
                Enumerable.Range(0, CellTrace.GateNames(report.Quantized.Layers[l]).Length)
                    .Select(_ => new double[report.Model.End - begin])
                    .ToArray())
                    .ToArray();
        for (int row = Math.Max(0, begin - PlottedRows); row < report.Model.End; row++)
        {
            trace.Step(readings.Row(row), y);
            for (int l = 0; l < sums.Length && row >= begin; l++)
            {
                int units = report.Quantized.Layers[l].UnitCount;
                for (int i = 0; i < sums[l].Length; i++)
                {
                    sums[l][i] += Math.Abs(trace.Gates(l)[i]) / (report.Model.End - begin);
                    kept[l][i / units][row - begin] += Math.Abs(trace.Gates(l)[i]) / units;
                }
            }
        }

        page.Heading(2, "Gate activity");
        page.Paragraph(
            $"Of the int8 model over the last {report.Model.End - begin} rows: "
                + $"each column a unit, its mean magnitude as shade, gates from top to bottom; below, the mean over the units in time.");
        for (int l = 0; l < sums.Length; l++)
        {
            string[] names = CellTrace.GateNames(report.Quantized.Layers[l]);
            int units = report.Quantized.Layers[l].UnitCount;
            if (names.Length == 0)
            {
                continue;
            }

            var plots = new List<(string, string)>
            {
                (
                    $"layer {l}: {string.Join(", ", names)}",
                    Plot.Shades(
                        names.Select((_, g) => (IReadOnlyList<double>)sums[l].Skip(g * units).Take(units).ToArray()).ToArray(),
                        "unit 0",
                        $"unit {units - 1}",
                        30 + (24 * names.Length))),
            };
            plots.AddRange(
                names.Select(
                    (name, g) =>
                        (
                            $"layer {l}: {name}, mean",
                            Plot.Lines([new Series(kept[l][g], 1)], $"row {begin}", $"row {report.Model.End - 1}", 110))));
            page.Plots(plots);
        }
    }

    // The first outputs, or evenly chosen ones where there are many.
    private static IEnumerable<int> Some(int outputs) =>
        outputs <= PlottedOutputs
            ? Enumerable.Range(0, outputs)
            : Enumerable.Range(0, PlottedOutputs).Select(i => i * (outputs - 1) / (PlottedOutputs - 1));

    private static string Name(ModelManifest manifest, int k)
    {
        ModelOutput output = manifest.Outputs[k];
        string unit = output.IsForecast ? manifest.Units[output.Column] : "";
        return unit.Length > 0 ? $"{manifest.OutputName(k)}, {unit}" : manifest.OutputName(k);
    }

    private static double[] Count(double[] values, double reach)
    {
        var bins = new double[Bins];
        foreach (double value in values)
        {
            bins[(int)Math.Clamp((value + reach) / Math.Max(2 * reach, 1e-12) * Bins, 0, Bins - 1)]++;
        }

        return bins;
    }
}
