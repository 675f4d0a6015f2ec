using System.Reflection;

namespace Edge.Architecture.Tests;

/// <summary>
/// The arrows of docs/architecture.md: they run one way between projects, and one way between the folders of each project.
/// </summary>
public sealed class ArrowTests
{
    // Each project with the projects that it may use.
    private static readonly Dictionary<string, string[]> Projects = new()
    {
        ["Edge.Inference"] = [],
        ["Edge.Training"] = ["Edge.Inference"],
        ["Edge.Streams"] = ["Edge.Inference"],
        ["Edge.Sensors"] = ["Edge.Streams", "Edge.Inference"],
        ["Edge.Onnx"] = ["Edge.Streams", "Edge.Inference"],
        ["edge-runtime"] = ["Edge.Sensors", "Edge.Onnx", "Edge.Streams", "Edge.Inference"],
        ["edge-cluster"] = ["edge-runtime", "Edge.Sensors", "Edge.Onnx", "Edge.Streams", "Edge.Inference"],
        ["edge-quantize"] = ["Edge.Training", "Edge.Onnx", "Edge.Sensors", "Edge.Streams", "Edge.Inference"],
    };

    // The folders of Edge.Cluster, in the same way.
    private static readonly string[] ClusterFolders = ["Commands", "Configuration", "Workers", "Pipeline", "Storage", "Broker"];

    // The folders of Edge.Runtime: arrows run down this list only.
    private static readonly string[] RuntimeFolders =
    [
        "Commands", "Hosting", "Configuration", "Web", "Control", "Telemetry", "Payloads", "Delivery", "Mqtt",
    ];

    /// <summary>Every project by its assembly.</summary>
    public static TheoryData<string> Assemblies => [.. Projects.Keys];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void A_project_uses_only_the_projects_below_it(string assembly)
    {
        string[] used =
        [
            .. Assembly.LoadFrom(PathOf(assembly)).GetReferencedAssemblies().Select(name => name.Name!).Where(Projects.ContainsKey),
        ];
        Assert.Empty(used.Except(Projects[assembly]));
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void No_folders_of_a_project_use_each_other_in_a_circle(string assembly) =>
        AssertNone(GraphOf(assembly).Circles());

    [Fact]
    public void In_the_runtime_arrows_run_down_only() => AssertDownOnly("edge-runtime", RuntimeFolders);

    [Fact]
    public void In_the_cluster_arrows_run_down_only() => AssertDownOnly("edge-cluster", ClusterFolders);

    [Fact]
    public void A_planted_circle_is_found()
    {
        FolderGraph planted = FolderGraph.Of(typeof(ArrowTests).Assembly.Location, "Edge.Architecture.Tests.Planted");
        string circle = Assert.Single(planted.Circles());
        Assert.Contains("Lower -> Upper (Base.Calls)", circle, StringComparison.Ordinal);
        Assert.Contains("Upper -> Lower (Derived)", circle, StringComparison.Ordinal);
    }

    // Kernels are chosen by the compiler through interfaces of their own; everything else has these three seams.
    [Theory]
    [InlineData("Edge.Streams", "IInferenceEngine ISensor")]
    [InlineData("Edge.Sensors", "")]
    [InlineData("Edge.Onnx", "")]
    [InlineData("edge-runtime", "IMqttLink")]
    [InlineData("edge-cluster", "")]
    [InlineData("edge-quantize", "")]
    public void The_only_interfaces_are_the_seams(string assembly, string seams) =>
        Assert.Equal(
            seams,
            string.Join(
                ' ',
                Assembly.LoadFrom(PathOf(assembly))
                    .GetTypes()
                    .Where(type => type.IsInterface && !type.IsNested)
                    .Select(type => type.Name)
                    .Order()));

    private static void AssertDownOnly(string assembly, string[] folderOrder)
    {
        FolderGraph graph = GraphOf(assembly);
        string[] folders = [.. graph.Arrows.Keys.Select(FolderGraph.Top).Where(folder => folder.Length > 0).Distinct()];
        Assert.Empty(folders.Except(folderOrder));
        AssertNone(
            from arrows in graph.Arrows
            from arrow in arrows.Value
            let begin = Array.IndexOf(folderOrder, FolderGraph.Top(arrows.Key))
            let end = Array.IndexOf(folderOrder, FolderGraph.Top(arrow.Key))
            where begin >= 0 && end >= 0 && end < begin
            select $"{arrows.Key} -> {arrow.Key} ({arrow.Value})");
    }

    private static void AssertNone(IEnumerable<string> found) => Assert.True(!found.Any(), string.Join('\n', found));

    private static string PathOf(string assembly) => Path.Combine(AppContext.BaseDirectory, assembly + ".dll");

    private static FolderGraph GraphOf(string assembly) =>
        FolderGraph.Of(
            PathOf(assembly),
            assembly switch
            {
                "edge-runtime" => "Edge.Runtime",
                "edge-cluster" => "Edge.Cluster",
                "edge-quantize" => "Edge.Quantize",
                _ => assembly,
            });
}
