using Edge.Benchmarks;

// dotnet run -c Release --project tests/Edge.Benchmarks -- cell [--json]
if (args is not ["cell"] and not ["cell", "--json"])
{
    Console.Error.WriteLine("Usage: cell [--json]");
    return 2;
}

CellBenchmark.Run(asJson: args.Contains("--json"));
return 0;
