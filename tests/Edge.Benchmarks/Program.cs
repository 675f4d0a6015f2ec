using System.Globalization;
using Edge.Benchmarks;

// dotnet run -c Release --project tests/Edge.Benchmarks -- NAME
switch (args)
{
    case ["cell"] or ["cell", "--json"]:
        CellBenchmark.Run(asJson: args.Length > 1);
        return 0;
    case ["streams"]:
        StreamsBenchmark.Run();
        return 0;
    case ["parts"]:
        PartsBenchmark.Run();
        return 0;
    case ["lags"]:
        LagsBenchmark.Run();
        return 0;
    case ["onnx", ..]:
        OnnxBenchmark.Run(args[1..]);
        return 0;
    case ["xlstm"]:
        XlstmBenchmark.Run();
        return 0;
    case ["detection"]:
        DetectionBenchmark.Run();
        return 0;
    case ["calm"]:
        CalmBenchmark.Run();
        return 0;
    case ["calm", var seed]:
        CalmBenchmark.Run(int.Parse(seed, CultureInfo.InvariantCulture));
        return 0;
    case ["faults", ..]:
        FaultsBenchmark.Run((int)Number(1, 500), hasDetails: args.Contains("--details"));
        return 0;
    case ["plants", ..]:
        PlantsBenchmark.Run(args[1..]);
        return 0;
    case ["moved", ..]:
        MovedBenchmark.Run(args[1..]);
        return 0;
    case ["train"]:
        TrainingBenchmark.Run();
        return 0;
    case ["service"]:
        await ServiceBenchmark.RunAsync();
        return 0;
    case ["storage", ..]:
        await StorageBenchmark.RunAsync(days: Number(1, 365), seconds: Number(2, 60));
        return 0;
    case ["device", ..]:
        await DeviceBenchmark.RunAsync(args.Length > 1 ? args[1] : null);
        return 0;
    case ["learning", ..]:
        await LearningBenchmark.RunAsync(args.Length > 1 ? args[1] : null);
        return 0;
    case ["rivals"]:
        await RivalsBenchmark.RunAsync();
        return 0;
    case ["cluster", ..]:
        return await ClusterBenchmark.RunAsync(args.Length > 1 ? args[1] : "200000");
    case ["sensors"]:
        await SensorsBenchmark.RunAsync();
        return 0;
    default:
        Console.Error.WriteLine(
            "Usage: cell [--json] | parts | streams | lags | sensors | detection | calm | faults [SEED [--details]] | plants [SEED...] | "
                + "moved [SEED...] | train | service | storage [DAYS [SECONDS]] | device [FOLDER] | learning [FOLDER] | rivals | onnx | "
                + "xlstm | cluster [ROWS or idle]");
        return 2;
}

double Number(int at, double otherwise) =>
    args.Length > at ? double.Parse(args[at], CultureInfo.InvariantCulture) : otherwise;
