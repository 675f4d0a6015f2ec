using System.Text;
using System.Text.Json;
using Edge.Inference.Models;

namespace Edge.Inference.Tests;

/// <summary>What <c>outputs_named</c> may say, and what it may not.</summary>
public sealed class OutputManifestTests
{
    [Fact]
    public void Every_kind_of_output_is_read_and_written_as_it_was()
    {
        ModelManifest manifest = Parse(
            """ "a[t+1]","a[t+5]:p10","a[t+5]:0.5","a[t+5]:0.9","b[t]","wear",{"life":"h"},{"power":{"unit":"W","mean":5,"std":2}}, """
                + """ {"state":["good","worn"]} """);
        string[] names = ["a[t+1]", "a[t+5]:0.1", "a[t+5]:0.5", "a[t+5]:0.9", "b[t]", "wear", "life", "power", "state:good", "state:worn"];
        Assert.Equal(names, Names(manifest));
        Assert.Equal([0, 2], manifest.ForecastOutputs);
        Assert.Equal((1, 3), manifest.IntervalOutputs(2));
        Assert.Equal((-1, -1), manifest.IntervalOutputs(0));
        Assert.Equal(9, manifest.DenormalizeOutput(7, 2));
        Assert.Equal(("h", "W", "V"), (manifest.OutputUnit(6), manifest.OutputUnit(7), manifest.OutputUnit(4)));
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
        {
            manifest.Write(json);
        }

        Assert.Equal(manifest.Outputs, ModelManifest.Parse(stream.ToArray()).Outputs);
    }

    [Theory]
    [InlineData(""" "a[t+0]" """, "'a[t+0]'")]
    [InlineData(""" "a[t+1]:1" """, "'a[t+1]:1'")]
    [InlineData(""" "a[t+1]:" """, "'a[t+1]:'")]
    [InlineData(""" "a[t-1]" """, "'a[t-1]'")]
    [InlineData(""" "a[t]:0.5" """, "'a[t]:0.5'")]
    [InlineData(""" "c[t]" """, "'c[t]'")]
    [InlineData(""" "a" """, "'a'")]
    [InlineData(""" "a[t","b[t]" """, "'a[t'")]
    [InlineData(""" "x:y" """, "'x:y'")]
    [InlineData(""" 5 """, "must list names")]
    [InlineData(""" {} """, "exactly one output")]
    [InlineData(""" {"s":["one"]} """, "two or more different names")]
    [InlineData(""" {"s":["one","one"]} """, "two or more different names")]
    [InlineData(""" {"s":["one",2]} """, "two or more different names")]
    [InlineData(""" {"s":5} """, "must have a unit")]
    [InlineData(""" {"s":{"std":0}} """, "greater than 0")]
    [InlineData(""" {"s":{"mean":"x"}} """, "must be a number")]
    [InlineData(""" "s",{"s":"h"} """, "names an output twice")]
    public void A_wrong_entry_is_one_sentence_that_names_it(string outputs, string part) =>
        Assert.Contains(part, Assert.Throws<ModelFormatException>(() => Parse(outputs)).Message, StringComparison.Ordinal);

    private static IEnumerable<string> Names(ModelManifest manifest) =>
        Enumerable.Range(0, manifest.Outputs.Count).Select(manifest.OutputName);

    private static ModelManifest Parse(string outputs) => ModelManifest.Parse(Encoding.UTF8.GetBytes(
        $$"""
        {"columns":["a","b"],"units":["A","V"],"period_seconds":1,"mean":[0,0],"std":[1,1],"outputs_named":[{{outputs}}]}
        """));
}
