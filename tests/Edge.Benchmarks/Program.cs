using Edge.Benchmarks;

// dotnet run -c Release --project tests/Edge.Benchmarks -- cell [--json] | streams
switch (args)
{
    case ["cell"] or ["cell", "--json"]:
        CellBenchmark.Run(asJson: args.Length > 1);
        return 0;
    case ["streams"]:
        StreamsBenchmark.Run();
        return 0;
    default:
        Console.Error.WriteLine("Usage: cell [--json] | streams");
        return 2;
}
