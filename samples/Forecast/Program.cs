using System.Globalization;
using Edge.Inference;
using Edge.Inference.Models;

// Forecasts from a model file and a CSV file with its columns: dotnet run -- MODEL.safetensors READINGS.csv
EdgeModel model = EdgeModel.Load(args[0]);
var session = new InferenceSession(model);
double[] forecasts = new double[model.OutputCount];
foreach (string line in File.ReadLines(args[1]).Skip(1))
{
    double[] readings = [.. line.Split(',').TakeLast(model.InputCount).Select(cell => double.Parse(cell, CultureInfo.InvariantCulture))];
    session.StepInUnits(readings, forecasts);
}

for (int k = 0; k < forecasts.Length; k++)
{
    Console.WriteLine(FormattableString.Invariant($"{model.Manifest.OutputName(k)} = {forecasts[k]:G4}"));
}
