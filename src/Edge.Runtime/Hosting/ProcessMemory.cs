using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Edge.Runtime.Hosting;

/// <summary>Memory of this process that is not the heap of .NET: the heaps of C libraries, and the pages of the program file.</summary>
internal static unsafe partial class ProcessMemory
{
    // malloc.h of glibc.
    private const int MmapThreshold = -3;
    private const int ArenaMax = -8;
    private const int MmapThresholdBytes = 128 << 10;

    // elf.h, sys/mman.h.
    private const uint LoadedSegment = 1;
    private const uint WritableFlag = 2;
    private const int DontNeed = 4;

    // Any value but 0 ends dl_iterate_phdr.
    private const int EndOfFiles = 1;

    /// <summary>
    /// Lets all threads allocate from one heap of the C library, and returns large blocks to the system as soon as they are freed. By
    /// default each thread has a heap, which keeps the pages of the largest cache that SQLite had on that thread. Call it before threads
    /// start.
    /// </summary>
    /// <returns>Whether the C library does so; one that is not glibc does not.</returns>
    internal static bool ShareNativeHeap()
    {
        try
        {
            return SetMalloc(ArenaMax, 1) != 0 & SetMalloc(MmapThreshold, MmapThresholdBytes) != 0;
        }
        catch (EntryPointNotFoundException)
        {
            return false;
        }
    }

    /// <summary>
    /// Unmaps the code and the constants of a program that was compiled to native code. What is used comes back from the page cache, 64 kB
    /// at a time. What only the start needed does not: code that opens the service, and the 4 MB that the types of .NET are unpacked from.
    /// </summary>
    internal static void UnmapProgramPages()
    {
        // The JIT's own library changes its code as it runs.
        if (!RuntimeFeature.IsDynamicCodeSupported)
        {
            _ = ForEachProgramFile(&UnmapReadOnlySegments, null);
        }
    }

    // Of the first file, which is the program. A segment that was never writable has only what the file has; the others hold addresses that
    // the linker wrote.
    [UnmanagedCallersOnly]
    private static int UnmapReadOnlySegments(ProgramFile* program, nuint size, void* unused)
    {
        nuint page = (nuint)Environment.SystemPageSize;
        for (int i = 0; i < program->SegmentCount; i++)
        {
            Segment segment = program->Segments[i];
            if (segment.Type == LoadedSegment && (segment.Flags & WritableFlag) == 0)
            {
                nuint begin = (program->Base + segment.Address) & ~(page - 1);
                _ = Advise((void*)begin, program->Base + segment.Address + segment.MemoryBytes - begin, DontNeed);
            }
        }

        return EndOfFiles;
    }

    [LibraryImport("libc", EntryPoint = "mallopt")]
    private static partial int SetMalloc(int parameter, int value);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* begin, nuint bytes, int advice);

    [LibraryImport("libc", EntryPoint = "dl_iterate_phdr")]
    private static partial int ForEachProgramFile(delegate* unmanaged<ProgramFile*, nuint, void*, int> visit, void* argument);

    // struct dl_phdr_info (link.h), as far as it is used, on a system of 64 bits.
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct ProgramFile
    {
        public readonly nuint Base;
        public readonly byte* Name;
        public readonly Segment* Segments;
        public readonly ushort SegmentCount;
    }

    // Elf64_Phdr (elf.h).
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Segment
    {
        public readonly uint Type;
        public readonly uint Flags;
        public readonly nuint FileOffset;
        public readonly nuint Address;
        public readonly nuint PhysicalAddress;
        public readonly nuint FileBytes;
        public readonly nuint MemoryBytes;
        public readonly nuint Alignment;
    }
}
