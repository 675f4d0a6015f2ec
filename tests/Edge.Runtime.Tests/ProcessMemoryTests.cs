using Edge.Runtime.Hosting;

namespace Edge.Runtime.Tests;

/// <summary>
/// What the service does to the memory of its process, in the process of the tests. build/check-device.sh has the program that is compiled
/// to native code.
/// </summary>
public sealed class ProcessMemoryTests
{
    [Fact]
    public void The_c_library_takes_the_settings_of_its_heap() => Assert.True(ProcessMemory.ShareNativeHeap());

    [Fact]
    public void A_program_whose_code_changes_as_it_runs_keeps_its_pages()
    {
        ProcessMemory.UnmapProgramPages();
        Assert.Equal([1, 2, 3], new[] { 3, 1, 2 }.Order());
    }
}
